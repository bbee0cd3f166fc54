"""How well labels and numbers agree with the wanted ones: accuracy, F1, Matthews, Pearson, Spearman. Plain NumPy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bartleby.measure.words import check_pairs

Labels = Sequence[object]
Numbers = Sequence[float] | npt.NDArray[np.floating]


def accuracy(found: Labels, wanted: Labels) -> float:
    """The share that is right."""
    check_pairs(found, wanted)
    return sum(one == other for one, other in zip(found, wanted, strict=True)) / len(found)


def f1_of(label: object, found: Labels, wanted: Labels) -> float:
    """F1 of one label against all others; 0 where it neither is nor should be given."""
    check_pairs(found, wanted)
    right = sum(one == other == label for one, other in zip(found, wanted, strict=True))
    given = sum(one == label for one in found)
    due = sum(one == label for one in wanted)
    return 2 * right / (given + due) if given + due else 0.0


def f1_macro(found: Labels, wanted: Labels) -> float:
    """The mean of `f1_of` over all labels that are given or wanted, rare ones counting like frequent ones."""
    check_pairs(found, wanted)
    labels = sorted({*found, *wanted}, key=repr)
    return float(np.mean([f1_of(label, found, wanted) for label in labels]))


def matthews(found: Labels, wanted: Labels) -> float:
    """Matthews' correlation, for any number of labels; 0 where all found or all wanted are alike.

    Source: Gorodkin 2004, "Comparing two K-category assignments by a K-category correlation coefficient".
    """
    check_pairs(found, wanted)
    place = {label: number for number, label in enumerate(sorted({*found, *wanted}, key=repr))}
    table = np.zeros((len(place), len(place)))
    for one, other in zip(found, wanted, strict=True):
        table[place[one], place[other]] += 1
    given, due, count = table.sum(axis=1), table.sum(axis=0), len(found)
    spread = float((count**2 - given @ given) * (count**2 - due @ due))
    return float((count * table.trace() - given @ due) / np.sqrt(spread)) if spread else 0.0


def pearson(found: Numbers, wanted: Numbers) -> float:
    """Linear correlation; nan where one side never varies."""
    check_pairs(found, wanted)
    one, other = (np.asarray(values, dtype=np.float64) for values in (found, wanted))
    one, other = one - one.mean(), other - other.mean()
    spread = np.sqrt((one @ one) * (other @ other))
    return float(one @ other / spread) if spread else float("nan")


def spearman(found: Numbers, wanted: Numbers) -> float:
    """Correlation of the ranks, equal numbers sharing the mean of theirs; nan where one side never varies."""
    check_pairs(found, wanted)
    return pearson(ranks(found), ranks(wanted))


def squared_error(found: Numbers, wanted: Numbers) -> float:
    """The mean squared difference."""
    check_pairs(found, wanted)
    return float(np.mean((np.asarray(found, dtype=np.float64) - np.asarray(wanted, dtype=np.float64)) ** 2))


def ranks(values: Numbers) -> npt.NDArray[np.float64]:
    """Places from 1 on in ascending order; equal values share the mean of theirs. Shapes: (n,) -> (n,)."""
    _, inverse, counts = np.unique(np.asarray(values, dtype=np.float64), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    shared: npt.NDArray[np.float64] = (2 * last - counts + 1) / 2
    return shared[inverse.reshape(-1)]
