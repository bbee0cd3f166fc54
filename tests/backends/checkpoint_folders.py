"""Checkpoints of random weights, in every container and type, for the tests of any wing."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bartleby.backends.writing import config_document
from bartleby.checkpoints.folder import save_folder
from bartleby.checkpoints.forms import SAFETENSORS, Form, flax_form, tensorflow_form
from bartleby.checkpoints.names import file_names
from bartleby.family.config import PreTrainedConfig
from bartleby.family.parameters import Head, parameter_table
from tests.parity.random_models import random_weights, seeded, small_bart

Weights = dict[str, npt.NDArray[Any]]
GENERATION = {"num_beams": 3, "max_length": 7, "decoder_start_token_id": 2}


def forms(head: Head = "conditional_generation") -> dict[str, Form]:
    """Every container that is written."""
    root = "tf_bart_for_conditional_generation"
    return {"safetensors": SAFETENSORS, "flax": flax_form(bare=head == "none"), "tensorflow": tensorflow_form(root)}


def own_weights(config: PreTrainedConfig, head: Head = "conditional_generation") -> Weights:
    """Random numbers by canonical name, tied ones once."""
    drawn = random_weights(seeded("checkpoint"), config, head)
    return {each.name: drawn[each.name] for each in parameter_table(config, head) if each.tied_to is None}


def save(
    folder: Path,
    config: PreTrainedConfig | None = None,
    head: Head = "conditional_generation",
    kind: str = "safetensors",
    weights: dict[str, Any] | None = None,
    dtype: str = "float32",
) -> Weights:
    """Save a small checkpoint; returns its numbers by canonical name, those of bfloat16 widened."""
    config = small_bart() if config is None else config
    given = own_weights(config, head) if weights is None else weights
    form = forms(head)[kind]
    names = file_names(parameter_table(config, head), head) if kind == "safetensors" else {}
    save_folder(
        folder,
        config=config_document(config, "BartForConditionalGeneration", dtype),
        generation_config=GENERATION,
        weights={names.get(name, name): _in_type(array, dtype) for name, array in given.items()},
        form=form,
    )
    return {name: _widened(_in_type(array, dtype)) for name, array in given.items()}


def _in_type(array: npt.NDArray[Any], dtype: str) -> Any:
    if dtype != "bfloat16":
        return array.astype(dtype)
    return "bfloat16", (array.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)


def _widened(weight: Any) -> npt.NDArray[Any]:
    if isinstance(weight, tuple):
        return (weight[1].astype(np.uint32) << 16).view(np.float32)
    widened: npt.NDArray[Any] = weight
    return widened
