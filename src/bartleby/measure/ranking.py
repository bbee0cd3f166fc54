"""Does a model prefer the true reply to others? hits@1 among 20: the true one and 19 that others gave elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bartleby.errors import DataError

CANDIDATES = 20
"""The true reply among them."""


class CandidatePool:
    """Replies of one file to draw wrong candidates from."""

    def __init__(self, replies: Sequence[str], count: int = CANDIDATES) -> None:
        """Raises: DataError if they are too few to draw from."""
        self.texts = sorted({reply.strip() for reply in replies})  # sorted: a draw must not hang on the order of a set
        self.count = count
        if len(self.texts) < count:
            raise DataError(
                f"Ranking among {count} replies needs as many different ones, but the file has {len(self.texts)}. "
                "Measure on a larger file."
            )

    def draw(self, reply: str, seed: int, number: int) -> list[str]:
        """The true reply first, then others of the file, no two alike; the same for the same seed and number."""
        random = np.random.default_rng([seed, number])
        places = random.choice(len(self.texts), self.count, replace=False)
        others = [self.texts[place] for place in places if self.texts[place] != reply.strip()]
        return [reply.strip(), *others[: self.count - 1]]


def hits_at_1(scores: Sequence[Sequence[float]] | npt.NDArray[np.floating]) -> float:
    """The share of rows whose first score is above all others; a tie misses.

    Shapes: (n, candidates), each the mean log-probability a token: a sum would favour short replies.
    Raises: DataError if there is no row, none to compare with, or a score is nan.
    """
    table = np.asarray(scores, dtype=np.float64)
    if table.ndim != 2 or not len(table) or table.shape[1] < 2:
        raise DataError(f"Scores must be rows of at least two candidates, but have shape {table.shape}.")
    if np.isnan(table).any():
        raise DataError("Scores must be numbers, but some are nan.")
    return float((table[:, 0] > table[:, 1:].max(axis=1)).mean())
