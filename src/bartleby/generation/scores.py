"""Scores of the next token: the arrays that rules, cuts and searches hand to each other. -inf is impossible."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]


def banned(scores: Scores, tokens: Sequence[int]) -> Scores:
    """`scores` with `tokens` made impossible."""
    allowed = scores.copy()
    allowed[:, list(tokens)] = -np.inf
    return allowed


def forced(scores: Scores, tokens: Sequence[int]) -> Scores:
    """Everything but `tokens` made impossible; they themselves are certain, so they cost a beam nothing."""
    only = np.full_like(scores, -np.inf)
    only[:, list(tokens)] = 0
    return only


def kept(scores: Scores, is_kept: npt.NDArray[np.bool_]) -> Scores:
    """`scores` with everything else made impossible."""
    return np.where(is_kept, scores, np.float32(-np.inf))


def log_softmax(scores: Scores) -> Scores:
    """Log-probabilities of each row, in the precision given: rows with nothing possible stay impossible."""
    best = scores.max(axis=-1, keepdims=True)
    is_possible = np.isfinite(best)
    shifted = scores - np.where(is_possible, best, 0)
    total = np.exp(shifted).sum(axis=-1, keepdims=True)
    normalized: Scores = shifted - np.log(np.where(is_possible, total, 1))
    return normalized


def entropy(log_probabilities: Scores) -> Scores:
    """How undecided each row is, in nats: (n, v) -> (n, 1)."""
    terms = surprise(log_probabilities)
    undecided: Scores = terms.sum(axis=-1, keepdims=True)
    return undecided


def surprise(log_probabilities: Scores) -> Scores:
    """What each token adds to the entropy; one that is impossible adds nothing."""
    terms: Scores = -np.exp(log_probabilities) * np.where(np.isneginf(log_probabilities), 0, log_probabilities)
    return terms
