"""Decoding drawn at random: a small model, a batch of unequal sources, and options; the same numbers on every machine.

Any implementation can be held against the published releases with these: build the model from `config` and
`weights()`, decode `sources` with `options` (and `prompts`, where there are some), compare with `releases.decode`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from bartleby.family.config import CONFIG_CLASSES, PreTrainedConfig
from tests.parity.random_models import random_fields, random_weights

POSITIONS = 40
Ids = list[list[list[int]]]
"""For every source its outputs, without the prompt."""
Form = Literal["encoder-decoder", "decoder"]
"""A whole model, or its decoder alone."""


@dataclass(frozen=True)
class Draw:
    """One model, one batch and one set of options."""

    model_type: str
    seed: int
    config: PreTrainedConfig
    sources: list[list[int]]
    prompts: list[list[int]] | None
    """What the outputs begin with, all of one length; None for the start token alone."""
    options: dict[str, Any]
    """Every option that differs from what a release does by default, and the special tokens."""

    def weights(self) -> dict[str, npt.NDArray[np.float64]]:
        """In float64, so that no choice hangs on rounding; drawn so that outputs vary and end early, late or never."""
        random = np.random.default_rng([self.seed, 1])
        weights = {name: array.astype(np.float64) for name, array in random_weights(random, self.config).items()}
        for stack in ("encoder", "decoder"):  # 4.x has one table even where nothing is tied; only lm_head is its own
            weights[f"model.{stack}.embed_tokens.weight"] = weights["model.shared.weight"]
        for name, array in weights.items():
            if name.endswith("embed_positions.weight"):
                array *= 4
            elif ".layers." in name and array.ndim == 2:
                array *= 2
        bias = weights["final_logits_bias"]
        bias[0, self.config.pad_token_id] -= 50.0  # as in any trained model; releases count pads as n-grams of a source
        bias[0, self.options["eos_token_id"]] += random.uniform(-1, 3)
        return weights


def draw(model_type: str, seed: int, scale_embedding: bool | None = None) -> Draw:
    """The draw of that number; `scale_embedding` overrides what was drawn for it."""
    random = np.random.default_rng([seed, sum(map(ord, model_type))])
    fields = random_fields(random) | {"vocab_size": int(random.integers(40, 101)), "max_position_embeddings": POSITIONS}
    if scale_embedding is not None:
        fields["scale_embedding"] = scale_embedding
    config = CONFIG_CLASSES[model_type](**fields)
    sources = [
        [*random.integers(3, config.vocab_size, size=length).tolist(), 2]
        for length in random.integers(1, 12, size=random.integers(1, 5))
    ]
    prompts = None
    if random.random() < 0.2:
        length = int(random.integers(1, 4))
        prompts = [
            [config.decoder_start_token_id, *random.integers(3, config.vocab_size, size=length).tolist()]
            for _ in sources
        ]
    return Draw(model_type, seed, config, sources, prompts, _options(random, config))


def _options(random: np.random.Generator, config: PreTrainedConfig) -> dict[str, Any]:
    def one_of(*values: Any) -> Any:
        return values[int(random.integers(len(values)))]

    def tokens(count: int) -> list[int]:
        return [int(token) for token in random.integers(3, config.vocab_size, size=count)]

    beams = one_of(1, 2, 3, 4, 5)
    options = {
        "num_beams": beams,
        "num_return_sequences": int(random.integers(1, beams + 1)),
        "length_penalty": one_of(1.0, 1.0, 0.0, 0.65, 2.0, -0.5) if beams > 1 else 1.0,
        "early_stopping": one_of(False, False, True, "never") if beams > 1 else False,
        "no_repeat_ngram_size": one_of(0, 0, 2, 3),
        "encoder_no_repeat_ngram_size": one_of(0, 0, 2, 3),
        "repetition_penalty": one_of(1.0, 1.0, 1.3, 0.8),
        "bad_words_ids": one_of(None, None, [tokens(1), tokens(2), tokens(2)]),
        "suppress_tokens": one_of(None, None, tokens(3)),
        "begin_suppress_tokens": one_of(None, None, tokens(3)),
        "forced_bos_token_id": one_of(None, None, 0, *tokens(1)),
        "pad_token_id": config.pad_token_id,
        "bos_token_id": config.bos_token_id,
        "eos_token_id": one_of(2, 2, [2, *tokens(1)]),
        "decoder_start_token_id": config.decoder_start_token_id,
    }
    # Several forced ends tie exactly, and a release's beams take any of them: only greedy search may force several.
    options["forced_eos_token_id"] = one_of(None, 2, 2 if beams > 1 else options["eos_token_id"])
    options |= one_of({"max_length": int(random.integers(6, 25))}, {"max_new_tokens": int(random.integers(3, 20))})
    options |= one_of({}, {"min_length": int(random.integers(2, 7))}, {"min_new_tokens": int(random.integers(1, 4))})
    given = {name: value for name, value in options.items() if value is not None}
    if given.get("forced_bos_token_id") in given.get("suppress_tokens", ()):
        del given["suppress_tokens"]  # together they are refused
    return given
