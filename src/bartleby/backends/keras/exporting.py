"""A TensorFlow model as a SavedModel, which TensorFlow Serving runs without this library."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from bartleby.backends.keras.portable import require_tensorflow
from bartleby.errors import CheckpointError

Signatures = Mapping[str, Any] | Callable[..., Any]


class Exporting:
    """A model whose computation can be exported: what it takes and gives then is a dictionary of tensors."""

    call: Callable[..., Any]

    @property
    def input_signature(self) -> dict[str, tf.TensorSpec]:
        """What an exported model takes, by name."""
        raise NotImplementedError

    @tf.function
    def serving(self, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """What an exported model computes, by the names of the inputs and of the outputs."""
        return self.serving_output(self.call(**inputs))

    def eager_serving(self, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """As `serving`, not compiled."""
        return self.serving_output(self.call(**inputs))

    def serving_output(self, output: Mapping[str, Any]) -> dict[str, tf.Tensor]:
        """An output as tensors: one for each field, layers stacked along a new first axis."""
        return {name: value if tf.is_tensor(value) else tf.stack(value) for name, value in output.items()}


def export(model: Any, folder: str, signatures: Signatures | None = None) -> None:
    """Write a SavedModel, in the place of what was there; stopped before its end, it leaves that.

    Raises: CheckpointError if the disk refuses.
    """
    require_tensorflow("A SavedModel")
    place = Path(folder)
    temporary = place.with_name(f".saving-{secrets.token_hex(4)}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        tf.saved_model.save(model, os.fspath(temporary), signatures=signatures or default_signatures(model))
        _replace(place, temporary)
    except OSError as error:
        raise CheckpointError(f"{place} could not be saved: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _replace(place: Path, temporary: Path) -> None:
    if not place.exists():
        temporary.rename(place)
        return
    old = temporary.with_name(f"{temporary.name}-old")
    place.rename(old)
    temporary.rename(place)
    shutil.rmtree(old)


def default_signatures(model: Any) -> dict[str, Any]:
    """`serving` for ids of 32 bits, which is called if none is named, and of 64 bits."""
    specs: dict[str, tf.TensorSpec] = model.input_signature
    wide = {
        name: tf.TensorSpec(spec.shape, tf.int64 if spec.dtype == tf.int32 else spec.dtype, name=name)
        for name, spec in specs.items()
    }
    return {
        "serving_default": model.serving.get_concrete_function(specs),
        "int64_serving": model.serving.get_concrete_function(wide),
    }
