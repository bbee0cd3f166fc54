"""How well a model labels: which figures befit which kind of label."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bartleby.family.fields import LabelKind
from bartleby.measure.agreement import accuracy, f1_macro, f1_of, matthews, pearson, spearman, squared_error

Label = int | tuple[int, ...] | float
"""The number of a label, the numbers of several in ascending order, or the value of a regression."""


def label_figures(found: Sequence[Label], wanted: Sequence[Label], kind: LabelKind, labels: int) -> dict[str, float]:
    """By the names of `measure.metrics`, for a model that knows so many `labels`.

    F1 of two classes is that of the second, else the mean: over all that are given or wanted, or, of several labels at
    once, over all there are. Of several, all must be right for a text to be.
    """
    if kind == "regression":
        ours, theirs = np.array(found, dtype=np.float64), np.array(wanted, dtype=np.float64)
        return {
            "pearson": pearson(ours, theirs),
            "spearman": spearman(ours, theirs),
            "squared_error": squared_error(ours, theirs),
        }
    figures = {"accuracy": accuracy(found, wanted)}
    if kind == "multi_label_classification":
        held = [
            f1_of(True, [label in several(one) for one in found], [label in several(one) for one in wanted])
            for label in range(labels)
        ]
        return {**figures, "f1": float(np.mean(held))}
    f1 = f1_of(1, found, wanted) if labels == 2 else f1_macro(found, wanted)
    return {**figures, "f1": f1, "matthews": matthews(found, wanted)}


def several(label: Label) -> tuple[int, ...]:
    """The numbers of a label that may be several."""
    return label if isinstance(label, tuple) else (int(label),)
