"""How often a model labels right, or how near its numbers are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from bartleby.measure.agreement import accuracy, f1_macro, f1_of, matthews, pearson, spearman, squared_error
from bartleby.training.collation import Batch, Batches
from bartleby.training.objectives.classification import LabelLoss, label_logits
from bartleby.training.recipes.classify import LabelCollation

Scores = npt.NDArray[np.float32]


@dataclass(frozen=True)
class LabelFigures:
    """Measures the objective's model on the examples of `collation`; a `Setup`'s `measure`."""

    objective: LabelLoss
    collation: LabelCollation
    batch_tokens: int

    def __call__(self, count: int | None = None) -> dict[str, float]:
        """On the first `count` examples, or on all: the loss, and figures that befit the kind of label."""
        collation = replace(self.collation, examples=self.collation.examples.first(count))
        lengths = collation.lengths()
        batches = Batches(lengths, collation, max(self.batch_tokens, int(lengths.max(initial=1))), seed=0)
        training = self.objective.training
        self.objective.eval()
        try:
            with torch.no_grad():
                judged = list(self._judged(batches.once()))
        finally:
            self.objective.train(training)
        losses, scores, labels = (np.concatenate(column) for column in zip(*judged, strict=True))
        return {
            "loss": float(losses.mean()),
            **figures(collation.problem_type, scores, labels),
            "examples": len(labels),
        }

    def _judged(self, batches: Iterator[Batch]) -> Iterator[tuple[Scores, Scores, npt.NDArray[Any]]]:
        """Loss, scores and label of every example."""
        for batch in batches:
            loss = float(self.objective(batch, batch)["likelihood"])
            scores = label_logits(self.objective.model, batch).cpu().numpy()
            yield np.full(batch.examples, loss, dtype=np.float32), scores, batch.arrays["labels"]


def figures(problem_type: str, scores: Scores, labels: npt.NDArray[Any]) -> dict[str, float]:
    """By the names of `bartleby.measure.metrics`; of several labels at once a score above 0 says yes, and all must be
    right for the text to be.

    Shapes: scores (n, num_labels); labels (n,), of several at once (n, num_labels).
    """
    if problem_type == "regression":
        found, numbers = scores[:, 0], labels.astype(np.float64)
        return {
            "pearson": pearson(found, numbers),
            "spearman": spearman(found, numbers),
            "squared_error": squared_error(found, numbers),
        }
    if problem_type == "multi_label_classification":
        said, wanted = (scores > 0).astype(int), labels.astype(int)
        each = [f1_of(1, said[:, place].tolist(), wanted[:, place].tolist()) for place in range(scores.shape[1])]
        return {"accuracy": float((said == wanted).all(axis=1).mean()), "f1": float(np.mean(each))}
    chosen, right = scores.argmax(axis=1).tolist(), labels.tolist()
    f1 = f1_of(1, chosen, right) if scores.shape[1] == 2 else f1_macro(chosen, right)
    return {"accuracy": accuracy(chosen, right), "f1": f1, "matthews": matthews(chosen, right)}
