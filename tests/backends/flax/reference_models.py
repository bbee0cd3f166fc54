"""Flax models with weights drawn for the NumPy definition, so that one can be held to the other."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from flax.traverse_util import unflatten_dict

from bartleby.backends.flax import models
from bartleby.checkpoints.layouts import is_turned, to_flax
from bartleby.family.config import CONFIG_CLASSES, PreTrainedConfig
from bartleby.family.parameters import Head, parameter_table
from tests.parity.random_models import POSITIONS, VOCABULARY, random_weights, seeded

PREFIX = {"bart": "FlaxBart", "blenderbot": "FlaxBlenderbot", "blenderbot-small": "FlaxBlenderbotSmall"}
SUFFIX: dict[Head, str] = {
    "none": "Model",
    "conditional_generation": "ForConditionalGeneration",
    "sequence_classification": "ForSequenceClassification",
    "question_answering": "ForQuestionAnswering",
    "causal_lm": "ForCausalLM",
}
SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "max_position_embeddings": POSITIONS,
    "d_model": 16,
    "scale_embedding": True,
    "encoder_layers": 1,
    "encoder_attention_heads": 4,
    "encoder_ffn_dim": 24,
    "decoder_layers": 2,
    "decoder_attention_heads": 2,
    "decoder_ffn_dim": 40,
}
"""The same for all, for JAX compiles every operation anew for every shape."""


class Known(NamedTuple):
    """A model, its parameters, and the same in canonical names, for the definition."""

    model: Any
    params: dict[str, Any]
    config: PreTrainedConfig
    weights: dict[str, npt.NDArray[np.float32]]


def known(
    model_type: str = "bart", head: Head = "conditional_generation", dtype: Any = "float32", **fields: Any
) -> Known:
    """A model of a type and head, with these fields besides the usual sizes."""
    config = CONFIG_CLASSES[model_type](**{**SIZES, **fields})
    weights = random_weights(seeded("flax", model_type, head), config, head)
    model = getattr(models, PREFIX[model_type] + SUFFIX[head])(config, dtype=dtype, _do_init=False)
    return Known(model, tree(weights, config, head), config, weights)


def tree(weights: dict[str, Any], config: PreTrainedConfig, head: Head) -> dict[str, Any]:
    """Canonical weights as the parameters of a Flax model."""
    flat = {}
    for parameter in parameter_table(config, head):
        if parameter.tied_to is None:
            name = to_flax(parameter.name, bare=head == "none")
            flat[name] = weights[parameter.name].T if is_turned(name) else weights[parameter.name]
    params: dict[str, Any] = unflatten_dict(flat, sep="/")
    return params
