"""How well texts are labelled: accuracy, F1 and correlations, by what kind of label the checkpoint was taught."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bartleby.backends.grouping import alike_in_length
from bartleby.backends.protocol import check_head
from bartleby.errors import DataError, raise_all
from bartleby.family.config import PreTrainedConfig
from bartleby.lab.evaluating.baselines import most_frequent
from bartleby.lab.evaluating.model import Measured, Model, Request, refuse_nothing
from bartleby.measure.agreement import accuracy, f1_macro, f1_of, matthews, pearson, spearman, squared_error
from bartleby.training.records import Labelled, ProblemType

TOKENS_AT_ONCE = 16_384
NO_NAMES = "LABEL_"
"""What config.json calls labels that were never named; data then has their numbers."""


def problem_type_of(config: PreTrainedConfig) -> ProblemType:
    """What config.json says, or by the number of labels: one is a number, several are for choosing one."""
    said: ProblemType | None = config.problem_type  # type: ignore[assignment]  # checked when the config was read
    return said or ("regression" if config.num_labels == 1 else "single_label_classification")


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
    scores = _scores(model, texts, request)
    found = decided(scores, kind)
    baselines = {}
    if request.baselines:
        others = wanted_of(records if request.known is None else request.known, kind, config)
        baselines["most_frequent"] = figures_of([_usual(others, kind)] * len(wanted), wanted, kind, config)
    return Measured(
        figures=figures_of(found, wanted, kind, config),
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


Label = int | tuple[int, ...] | float
"""The number of a label, the numbers of several, or the value of a regression."""


def wanted_of(records: Sequence[Labelled], kind: ProblemType, config: PreTrainedConfig) -> list[Label]:
    """The labels of records as the model numbers them.

    Raises: DataError naming all labels that the model does not know.
    """
    if kind == "regression":
        return [float(record.label) for record in records if isinstance(record.label, float)]
    several = [(record.label,) if isinstance(record.label, str) else record.label for record in records]
    names = {name for labels in several if isinstance(labels, tuple) for name in labels}
    number_of = {name: _number(name, config) for name in names}
    known = ", ".join(labels_of(config).values())
    unknown = sorted(name for name, number in number_of.items() if number is None)
    raise_all(DataError, [f"A label must be one of {known}, but is {name!r}." for name in unknown], "The records")
    numbered = [
        tuple(sorted({number_of[name] or 0 for name in labels})) for labels in several if isinstance(labels, tuple)
    ]
    return [labels[0] for labels in numbered] if kind == "single_label_classification" else list(numbered)


def _number(name: str, config: PreTrainedConfig) -> int | None:
    """The number of the label called `name`; of one that config.json never named, that number itself."""
    known = labels_of(config)
    if name.isdecimal() and known.get(int(name)) == f"{NO_NAMES}{int(name)}":
        return int(name)
    return next((number for number, label in known.items() if label == name), None)


def labels_of(config: PreTrainedConfig) -> dict[int, str]:
    """The names of the labels by their numbers."""
    return {int(number): str(name) for number, name in (config.id2label or {}).items()}


def decided(scores: Sequence[Sequence[float]], kind: ProblemType) -> list[Label]:
    """What the logits say: the highest, all above 0 (a probability of a half), or the number itself."""
    if kind == "regression":
        return [float(row[0]) for row in scores]
    if kind == "multi_label_classification":
        return [tuple(place for place, score in enumerate(row) if score > 0) for row in scores]
    return [int(np.argmax(row)) for row in scores]


def figures_of(
    found: Sequence[Label], wanted: Sequence[Label], kind: ProblemType, config: PreTrainedConfig
) -> dict[str, float]:
    """By kind. F1 of two classes is that of the second, else the mean over all of them."""
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
            f1_of(True, [label in _several(one) for one in found], [label in _several(one) for one in wanted])
            for label in range(config.num_labels)
        ]
        return {**figures, "f1": float(np.mean(held))}
    f1 = f1_of(1, found, wanted) if config.num_labels == 2 else f1_macro(found, wanted)
    return {**figures, "f1": f1, "matthews": matthews(found, wanted)}


def named(label: Label, kind: ProblemType, config: PreTrainedConfig) -> object:
    """A label as people call it."""
    if kind == "regression":
        return label
    known = labels_of(config)
    names = [known[number] for number in _several(label)]
    return names if kind == "multi_label_classification" else names[0]


def _several(label: Label) -> tuple[int, ...]:
    return label if isinstance(label, tuple) else (int(label),)


def _usual(labels: Sequence[Label], kind: ProblemType) -> Label:
    """What is right most often; of numbers their mean, which is off least."""
    if kind != "regression":
        return most_frequent(labels)
    return float(np.mean([label for label in labels if not isinstance(label, tuple)]))


def _read(model: Model, records: Sequence[Labelled]) -> tuple[list[list[int]], int]:
    """Ids of texts and pairs, and how many were cut at the end of the longer one to fit the positions."""
    texts, cut = [], 0
    for record in records:
        whole = model.tokenizer(record.text, record.text_pair, verbose=False)["input_ids"]
        if len(whole) > model.positions:
            whole = model.tokenizer(record.text, record.text_pair, truncation=True, max_length=model.positions)[
                "input_ids"
            ]
            cut += 1
        texts.append(list(whole))
    return texts, cut


def _scores(model: Model, texts: Sequence[list[int]], request: Request) -> list[list[float]]:
    found: dict[int, list[float]] = {}
    for members in alike_in_length(texts, TOKENS_AT_ONCE):
        rows = model.backend.classify([texts[place] for place in members])
        found |= dict(zip(members, rows, strict=True))
        request.watch("labelling", len(found), len(texts))
    return [found[place] for place in range(len(texts))]
