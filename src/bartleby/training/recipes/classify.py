"""Training to label texts or pairs of texts, or to give them a number: sentiment, topics, entailment, similarity."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from bartleby.documents import write_whole
from bartleby.errors import DataError
from bartleby.family.fields import PROBLEM_TYPES
from bartleby.tasks.classify import labels_of
from bartleby.tasks.texts import encode_within
from bartleby.tokenization.auto import AutoTokenizer
from bartleby.tokenization.base import PreTrainedTokenizer
from bartleby.training.batches import Batches
from bartleby.training.collation import LabelCollation
from bartleby.training.corpora import Reading
from bartleby.training.options import Options, option
from bartleby.training.recipes.examples import Making, chunks, refuse_beyond_positions, share_told, write_splits
from bartleby.training.recipes.recipe import Figures, Read, Recipe, Setup, Tell
from bartleby.training.records import Labelled, as_labelled
from bartleby.training.store import Examples, Row

LABELS = "labels.json"
NAMING = (
    "Name them by `text_field` and `label_field` (as flags, --text-field and --label-field), or, of a file without a "
    "header, all by `columns` (--columns)."
)


@dataclass(frozen=True)
class ClassifyOptions(Options):
    """What is judged, and how examples are made. Lengths are in tokens, special ones included."""

    subject: ClassVar[str] = "The classification's options"

    problem_type: str = option(
        "single_label_classification", "What a label is, by the published names.", choices=PROBLEM_TYPES
    )
    labels: tuple[str, ...] = option((), "The labels in order; else the checkpoint's or the data's.", metavar="NAME")
    source_tokens: int | None = option(None, "Room for a text; else all of the model's.", metavar="N", least=5)
    long_texts: str = option("cut", "What longer texts are: cut at their end, or left out.", choices=("cut", "out"))
    text_field: str | None = option(None, "Field of the text; else ours or GLUE's.", metavar="NAME")
    pair_field: str | None = option(None, "Field of the text judged with it.", metavar="NAME")
    label_field: str | None = option(None, "Field of the label.", metavar="NAME")
    columns: tuple[str, ...] = option((), "Columns of CSV and TSV files without a header.", metavar="NAME")

    def contradictions(self) -> Iterator[str]:
        if self.pair_field is not None and self.text_field is None:
            yield f"`pair_field` must be left out where `text_field` is, but is {self.pair_field!r}."
        if self.labels and self.problem_type == "regression":
            yield "`labels` must be left out for regression, which has none."
        if len(set(self.labels)) < len(self.labels):
            yield f"`labels` must differ from each other, but are {', '.join(self.labels)}."


@dataclass(frozen=True)
class ClassifyRecipe(Recipe):
    """Labels from texts."""

    kind: ClassVar[str] = "classify"
    own: ClassVar[type[Options]] = ClassifyOptions
    preset: ClassVar[str] = "bartleby-summary-mini"
    metric: ClassVar[str] = "loss"

    @property
    def measured(self) -> tuple[str, ...]:
        """By the kind of label, as `label_figures`."""
        if self.options.problem_type == "regression":
            return "loss", "pearson", "spearman", "squared_error"
        several = self.options.problem_type == "multi_label_classification"
        return "loss", "accuracy", "f1", *(() if several else ("matthews",))

    def prepare(self, folder: Path, tell: Tell) -> Figures:
        """The corpora are read once more if labels or a tokenizer come from them."""
        from bartleby.training.recipes.start import starting_tokenizer

        refuse_beyond_positions(self, "source_tokens")
        labels = self._labels()
        write_whole(folder / LABELS, json.dumps(labels, ensure_ascii=False) + "\n")
        tokenizer = starting_tokenizer(self, self._texts())
        tokenizer.save_pretrained(folder / "tokenizer")
        training = self._making(LabelExamples(tokenizer, self.options, labels), self.training_records)
        validation = self._making(LabelExamples(tokenizer, self.options, labels), self.validation_records)
        return write_splits(folder, training, validation, self.data.validation_examples, tell)

    def _making(self, maker: LabelExamples, read: Read) -> Making:
        reading = Reading()
        return Making(maker.rows(read(maker.shape, reading)), reading, maker.report, "texts")

    @property
    def columns(self) -> tuple[str, ...]:
        """As the options name them."""
        named: tuple[str, ...] = self.options.columns
        return named

    def setup(self, folder: Path) -> Setup:
        from bartleby.backends.pytorch.auto import AutoModelForSequenceClassification
        from bartleby.training.objectives.classification import LabelLoss
        from bartleby.training.recipes.start import starting_model
        from bartleby.training.validation.labels import LabelFigures

        tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer", use_fast=False)
        labels = json.loads((folder / LABELS).read_text("utf-8")) or ["LABEL_0"]
        own = {
            "problem_type": self.options.problem_type,
            "id2label": dict(enumerate(labels)),
            "label2id": {label: number for number, label in enumerate(labels)},
        }
        is_new = len(labels) != len(self._known_labels())  # labels of its own for a checkpoint that knew others
        model = starting_model(self, AutoModelForSequenceClassification, tokenizer, own, new_head=is_new)
        collations = [
            LabelCollation(
                Examples.open(folder / split), model.config.pad_token_id or 0, own["problem_type"], len(labels)
            )
            for split in ("train", "valid")
        ]
        objective, tokens = LabelLoss(model), self.data.batch_tokens
        return Setup(
            model=model,
            tokenizer=tokenizer,
            objective=objective,
            batches=Batches(collations[0].lengths(), collations[0], tokens, self.seed),
            measure=LabelFigures(objective, collations[1], tokens),
        )

    def _labels(self) -> list[str]:
        """The names of the labels in the order of their numbers; none for regression.

        Raises: DataError if the data have too few to tell anything apart.
        """
        if self.options.labels or self.options.problem_type == "regression":
            return list(self.options.labels)
        given: set[str] = set()
        for record in self.training_records(self._shape):
            given.update([record.label] if isinstance(record.label, str) else record.label)  # type: ignore[arg-type]
        known = self._known_labels()
        if given and given <= set(known):
            return known
        least = 2 if self.options.problem_type == "single_label_classification" else 1
        if len(given) < least:
            raise DataError(f"There must be at least {least} labels, but there is {sorted(given) or 'none'}.")
        return sorted(given, key=_in_order)

    def _known_labels(self) -> list[str]:
        """Those of the checkpoint that is started from."""
        from bartleby.training.recipes.start import starting_config

        if self.model.model is None:
            return []
        return list(labels_of(starting_config(self)).values())

    def _shape(self, record: Any) -> Labelled:
        return labelled(record, self.options)

    def _texts(self) -> Iterator[str]:
        for record in self.training_records(self._shape):
            yield record.text
            if record.text_pair is not None:
                yield record.text_pair


@dataclass
class LabelReport:
    """How many texts became examples, with which labels, and what was left out or cut."""

    examples: int = 0
    cut_texts: int = 0
    """Texts that lost their end to `source_tokens`."""
    long_texts: int = 0
    """Texts left out because they are longer."""
    labels: dict[str, int] = field(default_factory=dict)
    """How often each label comes."""

    def told(self) -> str:
        """All of it in one sentence."""
        shares = ", ".join(f"{label} {count:,}" for label, count in self.labels.items())
        return (
            f"{self.examples:,} examples{f' ({shares})' if shares else ''}; "
            f"{share_told(self.cut_texts, self.examples)} texts lost their end. "
            f"Left out: {self.long_texts:,} texts that are too long"
        )


class LabelExamples:
    """Turns labelled texts into rows: `source`, and in `labels` the numbers of their labels or the number they have."""

    def __init__(self, tokenizer: PreTrainedTokenizer, options: ClassifyOptions, labels: Sequence[str]) -> None:
        self.tokenizer, self.options = tokenizer, options
        self.numbers = {label: number for number, label in enumerate(labels)}
        self.source_tokens = options.source_tokens or tokenizer.model_max_length
        self.report = LabelReport(labels=dict.fromkeys(labels, 0))
        self._paired: bool | None = None

    def shape(self, record: Any) -> Labelled:
        """A record as the options say, with a label that is known; all or none with a second text.

        A label is read off the last `</s>`, and a batch whose rows have different numbers of them cannot be.
        Raises: DataError.
        """
        found = labelled(record, self.options)
        names = [found.label] if isinstance(found.label, str) else found.label
        unknown = [] if isinstance(names, float) else [name for name in names if name not in self.numbers]
        if unknown:
            known = ", ".join(self.numbers)
            raise DataError(
                f"the label must be one of {known}, but is {', '.join(map(repr, unknown))}; `labels` can name more."
            )
        if self._paired is None:
            self._paired = found.text_pair is not None
        if self._paired != (found.text_pair is not None):
            wanted = "a second text, as the first record has" if self._paired else "no second text, as the first record"
            raise DataError(f"every record must have {wanted}, or else none of them.")
        return found

    def rows(self, records: Iterable[Labelled]) -> Iterator[dict[str, Row]]:
        """The texts that keep to the limits, in their order."""
        for several in chunks(records):
            texts = [record.text for record in several]
            pairs = [record.text_pair or "" for record in several] if self._paired else None
            encoded = encode_within(self.tokenizer, texts, self.source_tokens, pairs)
            for record, (source, cut) in zip(several, encoded, strict=True):
                if cut and self.options.long_texts == "out":
                    self.report.long_texts += 1
                    continue
                self.report.examples += 1
                self.report.cut_texts += cut
                yield {"source": source, "labels": self._numbered(record.label)}

    def _numbered(self, label: str | tuple[str, ...] | float) -> list[int] | list[float]:
        if isinstance(label, float):
            return [label]
        names = dict.fromkeys([label] if isinstance(label, str) else label)  # one that is said twice counts once
        for name in names:
            self.report.labels[name] += 1
        return [self.numbers[name] for name in names]


def labelled(record: Any, options: ClassifyOptions) -> Labelled:
    """A record, its fields called as the options say."""
    names = options.text_field, options.pair_field, options.label_field
    return as_labelled(record, options.problem_type, names, NAMING)  # type: ignore[arg-type]  # one of its choices


def _in_order(label: str) -> tuple[bool, int, str]:
    """Numbers by their size, before names by the alphabet."""
    is_number = label.removeprefix("-").isdecimal()
    return not is_number, int(label) if is_number else 0, label
