"""A TensorFlow model as a checkpoint folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numpy as np

from bartleby.backends.keras.exporting import export
from bartleby.backends.keras.loading import Loading
from bartleby.backends.writing import NotUploaded, Written, refuse_arguments, superseding
from bartleby.checkpoints.forms import SAFETENSORS, tensorflow_form
from bartleby.checkpoints.layouts import is_turned, tensorflow_root, to_flax, turned
from bartleby.checkpoints.tensors import Array, StoredTensor
from bartleby.errors import CheckpointError, raise_all

UNUSED_ARGUMENTS = ("use_auth_token", "commit_message", "private", "repo_id")
"""Published arguments that are about uploading, which is not done."""


class Saving(Loading, NotUploaded):
    """A model that can be written to a folder, for all wings and for the reference library's release 4."""

    weights: list[keras.Variable]

    def save_pretrained(
        self,
        save_directory: str | os.PathLike[str],
        saved_model: bool = False,
        version: int = 1,
        push_to_hub: bool = False,
        signatures: dict[str, Any] | Callable[..., Any] | None = None,
        max_shard_size: int | str = "10GB",
        create_pr: bool = False,
        safe_serialization: bool = False,
        token: str | bool | None = None,
        **kwargs: Any,
    ) -> None:
        """Save config, decoding options and weights in the published layout, in the place of what was there.

        The file is tf_model.h5 or, with `safe_serialization`, model.safetensors as PyTorch names and turns its
        tensors. With `saved_model`, the computation is exported too, to saved_model/`version`, with `signatures` or
        those of `serving`. Nothing is uploaded, so `token` and `create_pr` have no use.
        Raises: OptionError for what cannot be, CheckpointError if the variables are not those its config describes, or
            the disk refuses.
        """
        faults = ["`signatures` is for `saved_model=True`."] if signatures is not None and not saved_model else []
        refuse_arguments(push_to_hub, kwargs.keys() - set(UNUSED_ARGUMENTS), faults)
        name = type(self).__name__
        written = Written(
            name.removeprefix("TF"),
            self.config,
            self.generation_config if self.can_generate() else None,
            self.table_head,
            self._stored(),
        )
        own = tensorflow_form(tensorflow_root(name))
        form = superseding(SAFETENSORS, own) if safe_serialization else own
        written.save(save_directory, form, max_shard_size)
        if saved_model:
            export(self, os.path.join(os.fspath(save_directory), "saved_model", str(version)), signatures)

    def _stored(self) -> dict[str, StoredTensor]:
        """Canonical name -> tensor for all variables.

        Raises: CheckpointError if the model has others, which no file of this kind could hold.
        """
        variables = self.variables_by_name()
        known = {id(variable) for variable in variables.values()}
        strays = [
            f"`{each.path}` is in the model, but not in its config. Keras's own `save_weights` saves it."
            for each in self.weights
            if id(each) not in known
        ]
        raise_all(CheckpointError, strays, type(self).__name__)
        return {name: stored(name, variable) for name, variable in variables.items()}


def stored(name: str, variable: keras.Variable) -> StoredTensor:
    """A variable as the checkpoints room knows tensors, the usual way round; fetched when its turn comes."""
    dtype = keras.backend.standardize_dtype(variable.dtype)
    tensor = StoredTensor(name, tuple(variable.shape), dtype, partial(_raw, variable), place=id(variable))
    return turned(tensor) if is_turned(to_flax(name)) else tensor


def _raw(variable: keras.Variable) -> Array:
    numbers: Array = np.ascontiguousarray(keras.ops.convert_to_numpy(variable))
    return numbers.view(np.uint16) if numbers.dtype.name == "bfloat16" else numbers
