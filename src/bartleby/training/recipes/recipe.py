"""What a kind of training is: the texts it makes examples of, the model it starts from, and how that is measured.

The command line makes its flags of the options of every recipe, so modules that declare options import torch, and what
imports it, inside functions or for type checkers only: `bartleby train --help` is instant.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from bartleby.errors import OptionError
from bartleby.tokenization.base import PreTrainedTokenizer
from bartleby.training.batches import Batches
from bartleby.training.corpora import Reading, corpus_name, read_records, training_files, validation_files
from bartleby.training.options import POSITIVE, REQUIRED, Options, option

if TYPE_CHECKING:
    from bartleby.backends.pytorch.model import Model
    from bartleby.training.objectives import Objective

HELD_OUT = "validation_corpora"
"""In a recipe's document: what is measured on."""

Tell = Callable[[str], None]
Figures = dict[str, Any]
Read = Callable[[Callable[[Any], Any], "Reading | None"], Iterator[Any]]
"""`Recipe.training_records` or `Recipe.validation_records`."""
Shape = TypeVar("Shape")


ADAPTERS = ("lora_rank", "lora_targets", "lora_alpha", "lora_dropout")
"""Options of adapters, which only `lora` asks for."""


@dataclass(frozen=True)
class ModelOptions(Options):
    """What is taught: a checkpoint taken further, or a new model of a known shape."""

    subject = "The model's options"

    model: str | None = option(None, "Checkpoint or run to start from: a folder, or a name.", metavar="NAME")
    preset: str | None = option(None, "Without one, the shape of the new model.", metavar="NAME")
    change: tuple[str, ...] = option((), "Field of the config, such as d_model=512.", metavar="FIELD=VALUE")
    tokenizer: str | None = option(
        None, "For a new model: whose tokenizer it takes; else one is learnt from the texts.", metavar="NAME"
    )
    vocab_size: int | None = option(None, "Entries of a tokenizer learnt from the texts.", metavar="N", least=1)
    positions: int | None = option(None, "Stretch the checkpoint's positions to so many.", metavar="N", least=2)
    dropout: float | None = option(None, "Share of the activations left out.", metavar="X", least=0, most=1)
    layerdrop: float | None = option(None, "Share of the layers left out.", metavar="X", least=0, most=1)
    freeze: tuple[str, ...] = option((), "Part that does not learn: encoder, embeddings, decoder:3 …", metavar="PART")
    lora: bool = option(False, "Teach low-rank adapters instead of the weights.")
    lora_rank: int = option(8, "Rank of the adapters.", metavar="N", least=1)
    lora_targets: str = option("qv", "What gets them: qv, attention, all, or a projection's name.", metavar="NAME")
    lora_alpha: float = option(16.0, "Their weight, times their rank.", metavar="X", least=POSITIVE)
    lora_dropout: float = option(0.0, "Share of their inputs left out.", metavar="X", least=0, most=1)

    def contradictions(self) -> Iterator[str]:
        if not self.lora:
            why = "where `lora` is not asked for"
            yield from self.changed_in_vain(ADAPTERS, why, "Ask for `lora`, or leave it out.")
        if self.model is None and self.positions is not None:
            yield "`positions` stretches those of a checkpoint, but there is no `model`. Change the config instead."
        if self.model is not None:
            for name in ("preset", "tokenizer", "vocab_size"):
                if (value := getattr(self, name)) is not None:
                    yield f"`{name}` must be left out where `model` is given, but is {value!r}."
        elif self.lora or self.freeze:
            name = "lora" if self.lora else "freeze"
            yield f"`{name}` leaves weights as they are, so `model` must be given. A new model has none worth keeping."
        if self.tokenizer is not None and self.vocab_size is not None:
            yield f"`vocab_size` must be left out where `tokenizer` is given, but is {self.vocab_size}."


@dataclass(frozen=True)
class DataOptions(Options):
    """What it is taught with."""

    subject = "The data's options"

    data: Path = option(REQUIRED, "Folder of NAME.train.… and NAME.valid.… files, or one file.", metavar="PATH")
    validation: str | None = option(None, "Corpus or file to measure on; else all valid splits.", metavar="NAME")
    leave_out: tuple[str, ...] = option((), "Corpus to do without; may be a pattern.", metavar="NAME")
    on_bad_record: str = option("stop", "What a record of another shape does.", choices=("stop", "skip"))
    limit: int | None = option(None, "Learn from so many records at most.", metavar="N", least=1)
    validation_examples: int = option(3000, "Measure on so many examples at most.", metavar="N", least=1)
    batch_tokens: int = option(5000, "Places in a batch, padding included.", metavar="N", least=1)


@dataclass
class Setup:
    """Everything that is trained with; made anew each time a run is taken up."""

    model: Model
    tokenizer: PreTrainedTokenizer
    objective: Objective
    batches: Batches
    measure: Callable[[int | None], dict[str, float]]
    """Figures by the names of `bartleby.measure.metrics`, on so many validation examples or on all. It draws nothing
    and leaves nothing changed, so that a run that is measured more often learns the same."""


@dataclass(frozen=True)
class Recipe(ABC):
    """One kind of training with its options. Equal recipes on equal files make equal examples."""

    kind: ClassVar[str]
    own: ClassVar[type[Options]]
    preset: ClassVar[str]
    """The shape of a new model."""
    metric: ClassVar[str] = "perplexity"
    """What a run's best checkpoint is best by, of `bartleby.measure.metrics`."""

    options: Any
    """Of the class `own`."""
    model: ModelOptions
    data: DataOptions
    seed: int = 0

    @property
    def measured(self) -> tuple[str, ...]:
        """What a validation measures, of `bartleby.measure.metrics`."""
        return (self.metric,)

    def refuse_unmeasured(self, metric: str | None) -> None:
        """Raises: OptionError if runs are to be compared by something that is not measured."""
        if metric is not None and metric not in self.measured:
            known = ", ".join(self.measured)
            raise OptionError(f"`metric` must be one that {self.kind} measures ({known}), but is {metric!r}.")

    @abstractmethod
    def prepare(self, folder: Path, tell: Tell) -> Figures:
        """Make `tokenizer/` and the examples `train/` and `valid/` in `folder`, which is empty.

        Returns what came of it for the log: `records` a corpus, `examples`, what was skipped, left out or cut.
        Raises: DataError, OptionError for what cannot be learnt from.
        """

    @abstractmethod
    def setup(self, folder: Path) -> Setup:
        """Model, objective and batches over what `prepare` left in `folder`."""

    def training_records(self, shape: Callable[[Any], Shape], reading: Reading | None = None) -> Iterator[Shape]:
        """What is learnt from, one record at a time; `reading` is told what was read and skipped."""
        return islice(self._records(self.learnt_files(), shape, reading), self.data.limit)

    def validation_records(self, shape: Callable[[Any], Shape], reading: Reading | None = None) -> Iterator[Shape]:
        """What is measured on, all of it."""
        return self._records(self.held_out_files(), shape, reading)

    def _records(
        self, paths: list[Path], shape: Callable[[Any], Shape], reading: Reading | None = None
    ) -> Iterator[Shape]:
        how: Any = self.data.on_bad_record
        return read_records(paths, shape, reading, how, self.columns)

    @property
    def columns(self) -> tuple[str, ...]:
        """Of CSV and TSV files without a header."""
        return ()

    def learnt_files(self) -> list[Path]:
        """What is learnt from."""
        return training_files(self.data.data, self.data.leave_out)

    def held_out_files(self) -> list[Path]:
        """What is measured on.

        Raises: OptionError if it is learnt from, too; what `validation_files` raises.
        """
        learnt = {path.resolve() for path in self.learnt_files()}
        found = validation_files(self.data.data, self.data.validation, self.data.leave_out)
        both = ", ".join(str(path) for path in found if path.resolve() in learnt)
        if both:
            raise OptionError(f"`validation` must not be learnt from, but {both} is. Name another file.")
        return found

    def deciding_files(self) -> list[Path]:
        """All that decides what is learnt."""
        return self.learnt_files()

    def document(self) -> dict[str, Any]:
        """What decides which examples there are and what they are learnt with; where the files lie does not."""
        options = {**self.options.document(), **self.model.document(), **self.data.document()}
        del options["data"]
        files = {"corpora": sizes_of(self.deciding_files()), HELD_OUT: sizes_of(self.held_out_files())}
        return {"kind": self.kind, **files, **options}


def sizes_of(paths: Iterable[Path]) -> dict[str, int]:
    """Bytes a corpus: enough to notice that it is another one now."""
    sizes: dict[str, int] = {}
    for path in paths:
        sizes[corpus_name(path)] = sizes.get(corpus_name(path), 0) + path.stat().st_size
    return sizes
