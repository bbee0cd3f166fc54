"""TensorFlow models with weights drawn for the NumPy definition, so that one can be held to the other."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bartleby.backends.keras import models
from bartleby.checkpoints.layouts import is_turned, to_flax
from bartleby.family.config import CONFIG_CLASSES, PreTrainedConfig
from bartleby.family.parameters import Head
from tests.parity.random_models import POSITIONS, VOCABULARY, random_weights, seeded

PREFIX = {"bart": "TFBart", "blenderbot": "TFBlenderbot", "blenderbot-small": "TFBlenderbotSmall"}
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


class Known(NamedTuple):
    """A model, its config, and its weights in canonical names, for the definition."""

    model: Any
    config: PreTrainedConfig
    weights: dict[str, npt.NDArray[np.float32]]


def known(model_type: str = "bart", head: Head = "conditional_generation", **fields: Any) -> Known:
    """A model of a type and head, with these fields besides the usual sizes."""
    config = CONFIG_CLASSES[model_type](**{**SIZES, **fields})
    weights = random_weights(seeded("keras", model_type, head), config, head)
    model = getattr(models, PREFIX[model_type] + SUFFIX[head])(config)
    for name, variable in model.variables_by_name().items():
        variable.assign(weights[name].T if is_turned(to_flax(name)) else weights[name])
    return Known(model, model.config, weights)
