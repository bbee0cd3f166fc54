"""Label texts: what a model's scores say by the kind of its labels, and what those are called."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bartleby.family.config import PreTrainedConfig
from bartleby.family.fields import LabelKind
from bartleby.measure.labels import Label


def problem_type_of(config: PreTrainedConfig) -> LabelKind:
    """What config.json says, or by the number of labels: one is a number, several are for choosing one."""
    said: LabelKind | None = config.problem_type  # type: ignore[assignment]  # checked when the config was read
    return said or ("regression" if config.num_labels == 1 else "single_label_classification")


def labels_of(config: PreTrainedConfig) -> dict[int, str]:
    """The names of the labels by their numbers."""
    return {int(number): str(name) for number, name in sorted((config.id2label or {}).items())}


def decided(scores: Sequence[Sequence[float]], kind: LabelKind) -> list[Label]:
    """What the logits say: the highest, all above 0 (a probability of a half), or the number itself."""
    if kind == "regression":
        return [float(row[0]) for row in scores]
    if kind == "multi_label_classification":
        return [tuple(place for place, score in enumerate(row) if score > 0) for row in scores]
    return [int(np.argmax(row)) for row in scores]
