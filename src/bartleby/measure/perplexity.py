"""How surprised a model is by a text: perplexity, from the log-probabilities it gave to the tokens."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bartleby.errors import DataError


@dataclass(frozen=True)
class Perplexity:
    """The figure, with what it was computed over."""

    value: float
    """exp of the mean negative log-probability a token: 1 is certainty, the size of the vocabulary a blind guess."""
    tokens: int

    @property
    def bits_per_token(self) -> float:
        return float(np.log2(self.value))


def perplexity(log_probs: Iterable[npt.ArrayLike]) -> Perplexity:
    """Perplexity a token over any number of sequences; every token counts the same, however long its sequence.

    Shapes: each item holds the natural-log probabilities of one sequence's tokens, of any shape.
    Raises: DataError for no token at all, and for what is no log-probability: above 0, or nan.
    """
    total, tokens = 0.0, 0
    for number, item in enumerate(log_probs):
        values = np.asarray(item, dtype=np.float64)  # float32 sums of millions of tokens lose digits
        wrong = values[~(values <= 1e-6)]  # rounding may leave a certain token a hair above 0
        if wrong.size:
            raise DataError(f"Log-probabilities must be at most 0, but sequence {number} has {float(wrong[0])}.")
        total += float(values.sum())
        tokens += values.size
    if not tokens:
        raise DataError("Perplexity needs at least one token, but there is none.")
    with np.errstate(over="ignore"):  # a token of probability 0 makes it infinite, which is the answer
        return Perplexity(float(np.exp(-total / tokens)), tokens)
