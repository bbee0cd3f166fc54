"""How well texts are labelled: accuracy, F1 and correlations, by what kind of label the checkpoint was taught."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bartleby.backends.protocol import check_head
from bartleby.errors import DataError, raise_all
from bartleby.family.config import PreTrainedConfig
from bartleby.family.fields import LabelKind
from bartleby.lab.evaluating.baselines import most_frequent
from bartleby.lab.evaluating.model import Measured, Model, Request, refuse_nothing
from bartleby.measure.labels import Label, label_figures, several
from bartleby.tasks.batches import in_batches
from bartleby.tasks.classify import decided, labels_of, problem_type_of
from bartleby.tasks.texts import encode_within
from bartleby.training.records import Labelled, as_labelled

NO_NAMES = "LABEL_"
"""What config.json calls labels that were never named; data then has their numbers."""


def measure_labels(model: Model, records: Sequence[Labelled], request: Request) -> Measured:
    """Label a sample of texts and measure how many are right.

    Raises: DataError if there is no text, or a label that the model does not know.
    """
    check_head(model.backend.head, "sequence_classification")
    refuse_nothing(len(records), "labelled text")
    config = model.backend.config
    kind = problem_type_of(config)
    places = sorted(request.sampling.order(len(records))[: request.sampling.limit])
    sample = [records[place] for place in places]
    wanted = wanted_of(sample, kind, config)
    texts, cut = _read(model, sample)
    scores = in_batches(texts, model.backend.classify, lambda done: request.watch("labelling", done, len(texts)))
    found = decided(scores, kind)
    baselines = {}
    if request.baselines:
        others = wanted_of(records if request.known is None else request.known, kind, config)
        usual = [_usual(others, kind)] * len(wanted)
        baselines["most_frequent"] = label_figures(usual, wanted, kind, config.num_labels)
    return Measured(
        figures=label_figures(found, wanted, kind, config.num_labels),
        facts={"problem_type": kind, "cut_sources": cut},
        outputs=[
            {
                "record": place,
                "output": named(one, kind, config),
                "reference": named(other, kind, config),
                "scores": row,
            }
            for place, one, other, row in zip(places, found, wanted, scores, strict=True)
        ],
        baselines=baselines,
    )


def labelled_for(model: Model, record: Any) -> Labelled:
    """A plain value as a record whose labels the model knows.

    Raises: DataError saying what is wrong; ConfigError if the model does not label.
    """
    check_head(model.backend.head, "sequence_classification")
    config = model.backend.config
    found = as_labelled(record, problem_type_of(config))
    if unknown := _unknown([found], config):
        known, told = ", ".join(labels_of(config).values()), ", ".join(map(repr, unknown))
        raise DataError(f"the label must be one of {known}, which the model knows, but is {told}.")
    return found


def wanted_of(records: Sequence[Labelled], kind: LabelKind, config: PreTrainedConfig) -> list[Label]:
    """The labels of records as the model numbers them.

    Raises: DataError naming all labels that the model does not know.
    """
    if kind == "regression":
        return [float(record.label) for record in records if isinstance(record.label, float)]
    known, unknown = ", ".join(labels_of(config).values()), _unknown(records, config)
    raise_all(DataError, [f"A label must be one of {known}, but is {name!r}." for name in unknown], "The records")
    numbered = [tuple(sorted({_number(name, config) or 0 for name in _names(record)})) for record in records]
    return [labels[0] for labels in numbered] if kind == "single_label_classification" else list(numbered)


def _names(record: Labelled) -> tuple[str, ...]:
    """The labels of a record; none if it has a number."""
    return (record.label,) if isinstance(record.label, str) else record.label if isinstance(record.label, tuple) else ()


def _unknown(records: Sequence[Labelled], config: PreTrainedConfig) -> list[str]:
    """The labels that the model does not know, by the alphabet."""
    return sorted({name for record in records for name in _names(record) if _number(name, config) is None})


def _number(name: str, config: PreTrainedConfig) -> int | None:
    """The number of the label called `name`; of one that config.json never named, that number itself."""
    known = labels_of(config)
    if name.isdecimal() and known.get(int(name)) == f"{NO_NAMES}{int(name)}":
        return int(name)
    return next((number for number, label in known.items() if label == name), None)


def named(label: Label, kind: LabelKind, config: PreTrainedConfig) -> object:
    """A label as people call it."""
    if kind == "regression":
        return label
    known = labels_of(config)
    names = [known[number] for number in several(label)]
    return names if kind == "multi_label_classification" else names[0]


def _usual(labels: Sequence[Label], kind: LabelKind) -> Label:
    """What is right most often; of numbers their mean, which is off least."""
    if kind != "regression":
        return most_frequent(labels)
    return float(np.mean([label for label in labels if not isinstance(label, tuple)]))


def _read(model: Model, records: Sequence[Labelled]) -> tuple[list[list[int]], int]:
    """Ids of texts and pairs, and how many were cut at the end of the longer one to fit the positions."""
    found = []
    for record in records:
        pairs = None if record.text_pair is None else [record.text_pair]  # some records may be pairs, others not
        found += encode_within(model.tokenizer, [record.text], model.positions, pairs)
    return [ids for ids, _ in found], sum(cut for _, cut in found)
