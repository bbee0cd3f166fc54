"""What is said too often, in token ids: the definitions that unlikelihood weighs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from bartleby.training.batches import IGNORED_LABEL

Ids = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.float64]
Weighting = Literal["uniform", "logdiff", "kldiv"]
WEIGHTINGS: tuple[Weighting, ...] = ("uniform", "logdiff", "kldiv")


def earlier_tokens(labels: Ids) -> tuple[Ids, Flags]:
    """For each label that counts, the labels of its row, and which of them came before it: each once, not itself.

    Shapes: (b, t) -> (labels, t) twice; what is not flagged is 0.
    """
    rows, places = np.nonzero(labels != IGNORED_LABEL)
    others = labels[rows]  # (labels, t)
    is_before = np.arange(labels.shape[1])[None, :] < places[:, None]
    again = (labels[:, :, None] == labels[:, None, :]) & np.tri(labels.shape[1], k=-1, dtype=bool)
    is_first = ~again.any(axis=2)[rows]
    flags = is_before & is_first & (others != IGNORED_LABEL) & (others != labels[rows, places][:, None])
    return np.where(flags, others, 0), flags


def repeated_places(ids: Ids, size: int) -> Flags:
    """Which tokens are part of an n-gram that the same ids had before; (t,)."""
    seen: set[tuple[int, ...]] = set()
    flags = np.zeros(len(ids), dtype=bool)
    for start, gram in enumerate(_ngrams(ids, size)):
        if gram in seen:
            flags[start : start + size] = True
        seen.add(gram)
    return flags


def shared_places(ids: Ids, source: Ids, size: int) -> Flags:
    """Which tokens are part of an n-gram that `source` has; (t,)."""
    known = set(_ngrams(source, size))
    flags = np.zeros(len(ids), dtype=bool)
    for start, gram in enumerate(_ngrams(ids, size)):
        if gram in known:
            flags[start : start + size] = True
    return flags


@dataclass(frozen=True)
class Overuse:
    """How much each token is to be said less, from how often a model wrote it and people did.

    With the shares m of the model and h of people:
    uniform: 1 where m - h >= threshold; logdiff: log((m - h) / threshold) there;
    kldiv: m · log(m / h) where that is above threshold and h is not 0. All others: 0.
    Source: Li et al. 2020 (arXiv 1911.03860), section 3.2, whose weight is kldiv's; the others are ParlAI's.
    """

    weighting: Weighting = "uniform"
    threshold: float = 1e-3

    def __call__(self, written: Ids, human: Ids) -> Numbers:
        """Shapes: counts (v,) twice -> (v,)."""
        model, people = written / max(1, written.sum()), human / max(1, human.sum())
        if self.weighting == "kldiv":
            both = (model > 0) & (people > 0)
            excess = np.zeros(len(model))
            excess[both] = model[both] * np.log(model[both] / people[both])
            return np.where(excess > self.threshold, excess, 0.0)
        excess = model - people
        if self.weighting == "uniform":
            return (excess >= self.threshold).astype(np.float64)
        return np.log(np.maximum(excess, self.threshold) / self.threshold)


def _ngrams(ids: Ids, size: int) -> list[tuple[int, ...]]:
    items = ids.tolist()
    return [tuple(items[start : start + size]) for start in range(len(items) - size + 1)]
