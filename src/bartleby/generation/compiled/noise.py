"""Chance drawn on the host, source by source as the definition draws it, and fed to the steps of a compiled search."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bartleby.generation.scores import Scores


class HostNoise:
    """Gumbel noise from a generator for each source, so that what one draws does not depend on the others."""

    def __init__(self, seed: int | None, places: Sequence[int], sources: int) -> None:
        """`places`: those of these sources among all `sources` of a call."""
        children = np.random.SeedSequence(seed).spawn(sources)
        self.streams = [np.random.default_rng(children[place]) for place in places]

    def __call__(self, draws: npt.NDArray[np.bool_], width: int) -> Scores:
        """Shapes: draws (b, n), the rows that draw in this step -> (b, n, width); 0 for those that do not."""
        noise = np.zeros((*draws.shape, width), dtype=np.float32)
        for own, rows, stream in zip(noise, draws, self.streams, strict=True):
            own[rows] = stream.gumbel(size=(int(rows.sum()), width))
        return noise
