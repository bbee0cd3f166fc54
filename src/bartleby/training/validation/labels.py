"""How often a model labels right, or how near its numbers are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from bartleby.family.fields import LabelKind
from bartleby.measure.labels import Label, label_figures
from bartleby.tasks.classify import decided
from bartleby.training.batches import Batch
from bartleby.training.collation import LabelCollation, measured_batches
from bartleby.training.modes import at_rest
from bartleby.training.objectives.classification import LabelLoss, label_logits

Scores = npt.NDArray[np.float32]


@dataclass(frozen=True)
class LabelFigures:
    """Measures the objective's model on the examples of `collation`."""

    objective: LabelLoss
    collation: LabelCollation
    batch_tokens: int

    def __call__(self, count: int | None = None) -> dict[str, float]:
        """On the first `count` examples, or on all: the loss, and figures that befit the kind of label."""
        collation = replace(self.collation, examples=self.collation.examples.first(count))
        with at_rest(self.objective):
            judged = list(self._judged(measured_batches(collation, self.batch_tokens).once()))
        losses, scores, labels = (np.concatenate(column) for column in zip(*judged, strict=True))
        kind = collation.problem_type
        return {
            "loss": float(losses.mean()),
            **label_figures(decided(scores.tolist(), kind), labels_in(kind, labels), kind, scores.shape[1]),
            "examples": len(labels),
        }

    def _judged(self, batches: Iterator[Batch]) -> Iterator[tuple[Scores, Scores, npt.NDArray[Any]]]:
        """Loss, scores and label of every example."""
        for batch in batches:
            loss = float(self.objective(batch, batch)["likelihood"])
            scores = label_logits(self.objective.model, batch).cpu().numpy()
            yield np.full(batch.examples, loss, dtype=np.float32), scores, batch.arrays["labels"]


def labels_in(problem_type: LabelKind, labels: npt.NDArray[Any]) -> list[Label]:
    """The labels of batches as `label_figures` compares them; (n,), of several at once (n, num_labels) of 0 and 1."""
    if problem_type == "multi_label_classification":
        return [tuple(np.flatnonzero(row).tolist()) for row in labels]
    wanted: list[Label] = labels.tolist()
    return wanted
