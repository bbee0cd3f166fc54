"""How a token stands among the scores of its step."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bartleby.generation.trace import Candidate

LEADING = 5
"""How many of the likeliest tokens a trace keeps."""

Row = npt.NDArray[np.floating[Any]]
"""Scores of every token, (v,)."""


@dataclass(frozen=True)
class Chance:
    """How likely a token was, before and after the rules."""

    rank: int
    probability: float
    rank_left: int
    probability_left: float


def chances_of(tokens: Iterable[int], before: Row, after: Row) -> dict[int, Chance]:
    """The chance of each of `tokens` by the scores `before` the rules and `after` them."""
    likely, left = probabilities(before), probabilities(after)
    return {
        token: Chance(rank(before, token), float(likely[token]), rank(after, token), float(left[token]))
        for token in tokens
    }


def rank(scores: Row, token: int) -> int:
    """1 for the likeliest token, and for those as likely."""
    return int((scores > scores[token]).sum()) + 1


def probabilities(scores: Row) -> Row:
    """Softmax in float64; no number is no chance, and what is infinitely likely leaves none to the rest."""
    scores = np.where(np.isnan(scores), -np.inf, scores.astype(np.float64))
    most = scores.max()
    if np.isneginf(most):
        return np.zeros_like(scores)
    shares: Row = (scores == most).astype(np.float64) if np.isposinf(most) else np.exp(scores - most)
    return np.asarray(shares / shares.sum())


def leading(scores: Row) -> tuple[Candidate, ...]:
    """The likeliest tokens that are possible, likeliest first."""
    shares, numbers = probabilities(scores), np.where(np.isnan(scores), -np.inf, scores)
    count = min(LEADING, len(scores))
    best = np.sort(np.argpartition(-numbers, count - 1)[:count])
    best = best[np.argsort(-numbers[best], kind="stable")]
    return tuple(Candidate(int(token), float(shares[token])) for token in best if not np.isneginf(numbers[token]))
