"""The smallest model there is: the next token depends on the source and on the last token alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

PAD, BOS, EOS, START = 0, 1, 2, 3
VOCABULARY = 12


class MarkovDecoder:
    """A Decoder over tables of logits (s, v, v): source, last token, next token. Counts the rows it was asked about."""

    def __init__(self, tables: npt.NDArray[np.float32]) -> None:
        self.tables = tables
        self.rows_asked: list[int] = []

    def start(self, sources: npt.NDArray[np.int64]) -> None:
        self.sources = sources
        self.last = np.full(len(sources), -1)

    def step(self, tokens: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        self.rows_asked.append(len(tokens))
        self.last = tokens[:, -1]
        return self.tables[self.sources, self.last]

    def reorder(self, rows: npt.NDArray[np.int64]) -> None:
        self.sources, self.last = self.sources[rows], self.last[rows]


def random_tables(seed: int, sources: int = 1, vocabulary: int = VOCABULARY) -> npt.NDArray[np.float32]:
    """Peaked enough that the best path is not the greedy one now and then."""
    return (2 * np.random.default_rng(seed).standard_normal((sources, vocabulary, vocabulary))).astype(np.float32)
