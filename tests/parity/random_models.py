"""Small configurations drawn at random, every switch flipped, and weights for them: what the parity tests run on."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

from bartleby.family.config import CONFIG_CLASSES, BartConfig, PreTrainedConfig
from bartleby.family.parameters import Head, parameter_table

MODEL_TYPES = tuple(CONFIG_CLASSES)
VOCABULARY = 50
POSITIONS = 24


def seeded(*parts: object) -> np.random.Generator:
    """A generator that always draws the same for the same words and numbers."""
    return np.random.default_rng(list(hashlib.sha256(repr(parts).encode()).digest()[:8]))


def random_fields(random: np.random.Generator) -> dict[str, Any]:
    """Fields of a small configuration, for either library's config class: unequal depths, heads and widths included."""

    def one_of(*values: Any) -> Any:
        return values[int(random.integers(len(values)))]

    return {
        "vocab_size": VOCABULARY,
        "max_position_embeddings": POSITIONS,
        "d_model": one_of(16, 32),
        "encoder_layers": one_of(1, 2, 3),
        "decoder_layers": one_of(1, 2, 3),
        "encoder_attention_heads": one_of(1, 2, 4),
        "decoder_attention_heads": one_of(1, 2, 4),
        "encoder_ffn_dim": one_of(24, 40),
        "decoder_ffn_dim": one_of(24, 40),
        "activation_function": one_of("gelu", "gelu_new", "relu", "silu"),
        "scale_embedding": one_of(True, False),
        "tie_word_embeddings": one_of(True, True, False),
    }


def random_config(random: np.random.Generator, model_type: str) -> PreTrainedConfig:
    return CONFIG_CLASSES[model_type](**random_fields(random))


def small_bart(**fields: Any) -> BartConfig:
    """The smallest BART that is one, with these fields: for tests of one thing at a time."""
    sizes = {"encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
    widths = {"vocab_size": VOCABULARY, "d_model": 16, "encoder_ffn_dim": 8, "decoder_ffn_dim": 8}
    return BartConfig(**{**sizes, **widths, "max_position_embeddings": POSITIONS, **fields})


def random_weights(
    random: np.random.Generator, config: PreTrainedConfig, head: Head = "conditional_generation"
) -> dict[str, npt.NDArray[np.float32]]:
    """Weights large enough that outputs depend on the input, ties filled in."""
    weights: dict[str, npt.NDArray[np.float32]] = {}
    for parameter in parameter_table(config, head):
        if parameter.tied_to is not None:
            weights[parameter.name] = weights[parameter.tied_to]
            continue
        centre = 1.0 if parameter.kind == "norm" and parameter.name.endswith("weight") else 0.0
        scale = 0.05 if parameter.name.endswith("bias") or parameter.kind == "norm" else 0.25
        weights[parameter.name] = (centre + scale * random.standard_normal(parameter.shape)).astype(np.float32)
    return weights


def random_batch(
    random: np.random.Generator, rows: int = 3, longest: int = 9
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Ids and their mask, right-padded to unequal lengths, each row ending in eos (id 2); pads are arbitrary ids."""
    lengths = random.integers(2, longest + 1, size=rows)
    lengths[0] = longest
    ids = random.integers(4, VOCABULARY, size=(rows, longest))
    ids[np.arange(rows), lengths - 1] = 2
    return ids, (np.arange(longest)[None, :] < lengths[:, None]).astype(np.int64)
