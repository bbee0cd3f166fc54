"""The chance in sampling: noise on scores, after which taking the best is drawing by probability."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor


class Noise(Protocol):
    """Gumbel noise: the largest of log-probability plus noise is a draw by probability (arXiv 1611.01144)."""

    def __call__(self, sources: Tensor, rows: int, width: int) -> Tensor:
        """Shapes: sources (b,), the places of the live ones -> (b, rows, width)."""


class SharedNoise:
    """From torch's global generator. Finished sources draw too, as they do in the published releases: equal seeds draw
    equal samples.
    """

    def __init__(self, sources: int) -> None:
        self.sources = sources

    def __call__(self, sources: Tensor, rows: int, width: int) -> Tensor:
        exponential = torch.empty(self.sources, rows, width, device=sources.device).exponential_()
        return exponential[sources].log_().neg_()


class SeededNoise:
    """From a generator for each source, so that what one draws does not depend on the others."""

    def __init__(self, seed: int | None, sources: Sequence[int], device: torch.device) -> None:
        """`sources`: the places of these sources in the whole batch."""
        children = np.random.SeedSequence(seed).spawn(max(sources, default=-1) + 1)
        seeds = [int(children[place].generate_state(1, np.uint64)[0] >> np.uint64(1)) for place in sources]
        self.generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]

    def __call__(self, sources: Tensor, rows: int, width: int) -> Tensor:
        exponential = torch.empty(len(sources), rows, width, device=sources.device)
        for row, source in zip(exponential, sources.tolist(), strict=True):
            row.exponential_(generator=self.generators[source])
        return exponential.log_().neg_()
