"""Draws for the searches that only 4.x has: diverse groups, constraints, and its entry points below `generate`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from tests.parity.draws import Draw, draw


def group_draw(model_type: str, seed: int) -> Draw:
    """The draw of that number with its beams in groups."""
    drawn, random = draw(model_type, seed), np.random.default_rng([seed, 3])
    groups, size = int(random.integers(2, 5)), int(random.integers(1, 4))
    options = drawn.options | {
        "num_beams": groups * size,
        "num_beam_groups": groups,
        "num_return_sequences": int(random.integers(1, groups * size + 1)),
        "diversity_penalty": float(random.choice([0.2, 0.7, 1.5, 6.0])),
        **_endings(random),
    }
    return replace(drawn, options=_as_beams(options))


def constrained_draw(model_type: str, seed: int) -> Draw:
    """The draw of that number with phrases it must contain, and choices between phrases: every third demands much."""
    drawn, random = draw(model_type, seed), np.random.default_rng([seed, 4])
    beams, much = int(random.integers(2, 7)), seed % 3 == 0
    options = {name: value for name, value in drawn.options.items() if name not in ("max_length", "bad_words_ids")}
    options |= {
        "num_beams": beams,
        "num_return_sequences": int(random.integers(1, (3 if much and beams > 2 else 2) + 1)),
        "max_new_tokens": int(random.integers(8 if much else 13, 20)),
        "force_words_ids": [
            _word(random, drawn.config.vocab_size) for _ in range(random.integers(1, 4 if much else 3))
        ],
        **_endings(random),
    }
    if any(str(token) in str(options["force_words_ids"]) for token in np.atleast_1d(options["eos_token_id"])):
        options["eos_token_id"] = 2  # what must be written inside an output would cut it here
    return replace(drawn, options=_as_beams(options))


def _endings(random: np.random.Generator) -> dict[str, Any]:
    return {
        "length_penalty": float(random.choice([1.0, 1.0, 0.0, 0.65, 2.0, -0.5])),
        "early_stopping": [False, False, True, "never"][int(random.integers(4))],
    }


def _as_beams(options: dict[str, Any]) -> dict[str, Any]:
    """Beams can force only one end: several tie exactly, and a release takes any of them."""
    return options | ({"forced_eos_token_id": 2} if "forced_eos_token_id" in options else {})


def _word(random: np.random.Generator, vocab_size: int) -> list[Any]:
    def phrase(least: int = 1) -> list[int]:
        return [int(token) for token in random.integers(3, vocab_size, size=random.integers(least, 4))]

    kind = int(random.integers(4))
    if kind < 2:
        return phrase()
    if kind == 2:  # alternatives that differ from their first token on
        return [[first, *phrase()] for first in random.choice(np.arange(3, vocab_size), size=2, replace=False).tolist()]
    begin = phrase()
    return [
        [*begin, last, *phrase()] for last in random.choice(np.arange(3, vocab_size), size=2, replace=False).tolist()
    ]
