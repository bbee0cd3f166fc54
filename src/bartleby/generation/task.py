"""What a search is about: a decoder that scores the next token, and the sources that are written for side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from bartleby.generation.beams import Hypothesis
from bartleby.generation.config import GenerationConfig
from bartleby.generation.rules import Ids, Rule, Scores, SourceRule

Generated = list[list[Hypothesis]]
"""For every source its `num_return_sequences` hypotheses, best first."""


class Decoder(Protocol):
    """A model with its encoded sources, and the rows that are being written for them."""

    def start(self, sources: Ids) -> None:
        """Forget all rows and open new ones: row i answers source `sources[i]`, with nothing written yet."""

    def step(self, tokens: Ids) -> Scores:
        """Write `tokens` (n, k) and score what comes next: logits (n, v). k is 1 except for the prompt."""

    def reorder(self, rows: Ids) -> None:
        """Go on with copies of these rows, in this order; a row may be taken twice or not at all."""


@dataclass(frozen=True)
class Task:
    """Sources whose prompts have the same length, and so are written side by side."""

    decoder: Decoder
    options: GenerationConfig
    rules: tuple[Rule | SourceRule, ...]
    sources: Ids
    prompts: Ids
    """Shape: (sources, t), the start token included."""
    max_length: int
    streams: tuple[np.random.Generator, ...] | None
    """When sampling, the random numbers of each source, so that what one draws does not depend on the others."""
