"""Training to write one text from another: summaries, translations, better wordings.

One model may learn several tasks from several corpora, told apart by what stands before the source: `prefixes` such as
`arxiv_title_abstract=title: ` and `scitldr=summary: `. The checkpoint's config.json keeps them as `task_prefixes`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from itertools import chain, islice
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from bartleby.errors import OptionError, need_extra, raise_all
from bartleby.tasks.texts import encode, encode_within, ended
from bartleby.tokenization.auto import AutoTokenizer
from bartleby.tokenization.base import PreTrainedTokenizer
from bartleby.training.batches import RepeatedBatches
from bartleby.training.collation import Padding, PairCollation
from bartleby.training.corpora import Reading, corpus_name, read_corpora
from bartleby.training.options import Options, option
from bartleby.training.recipes.examples import Making, chunks, refuse_beyond_positions, share_told, write_splits
from bartleby.training.recipes.recipe import Figures, Recipe, Setup, Tell
from bartleby.training.records import Pair, as_pair, as_translation
from bartleby.training.store import Examples, Row

WRITTEN = {"rouge": ("rouge1", "rouge2", "rougeL", "rougeLsum"), "bleu": ("bleu",)}
"""The metrics of what a model writes."""
NAMING = "Name them by `source_field` and `target_field` (as flags, --source-field and --target-field)."


@dataclass(frozen=True)
class PairOptions(Options):
    """How examples are made. Lengths are in tokens, special ones included."""

    subject: ClassVar[str] = "The pairs' options"

    source_tokens: int | None = option(
        None, "Room for a source, its prefix included; else all of the model's.", metavar="N", least=3
    )
    target_tokens: int = option(128, "Longer targets are left out.", metavar="N", least=3)
    long_sources: str = option("cut", "What longer sources are: cut at their end, or left out.", choices=("cut", "out"))
    prefixes: tuple[str, ...] = option((), "What stands before the sources of a corpus.", metavar="CORPUS=TEXT")
    repeats: tuple[str, ...] = option((), "How often an epoch sees a corpus.", metavar="CORPUS=N")
    label_smoothing: float = option(
        0.0, "Share of each target spread over the vocabulary.", metavar="X", least=0, most=0.99
    )
    written_examples: int = option(50, "Write for so many validation examples and measure that.", metavar="N", least=0)

    def contradictions(self) -> Iterator[str]:
        for name in ("prefixes", "repeats"):
            for pattern, text in map(divided, getattr(self, name)):
                if not pattern or text is None:
                    yield f"`{name}` must be CORPUS=…, but is {pattern!r}."
                elif name == "repeats" and not (text.isdecimal() and int(text)):
                    yield f"`repeats` must be CORPUS=N with N at least 1, but is {pattern}={text}."

    def prefix_of(self, corpus: str) -> str:
        """What stands before the sources of a corpus; nothing, unless something was said."""
        return fitting(self.prefixes, corpus) or ""

    def repeats_of(self, corpus: str) -> int:
        """How often an epoch sees a corpus."""
        return int(fitting(self.repeats, corpus) or 1)

    def styles(self) -> dict[str, str]:
        """The prefixes by the names under which a checkpoint keeps them: `title` for `title: `."""
        prefixes = [text or "" for _, text in map(divided, self.prefixes)]
        return {prefix.strip().removesuffix(":") or "plain": prefix for prefix in prefixes}


@dataclass(frozen=True)
class SummarizeOptions(PairOptions):
    """`{"text": …, "summary": …}`, or fields of other names."""

    source_field: str = option("text", "Field to write from.", metavar="NAME")
    target_field: str = option("summary", "Field to write.", metavar="NAME")


@dataclass(frozen=True)
class TranslateOptions(PairOptions):
    """`{"translation": {"en": …, "ro": …}}` or `{"source": …, "target": …}`."""

    source_language: str = option("source", "Key of the language to translate from.", metavar="NAME")
    target_language: str = option("target", "Key of the language to translate to.", metavar="NAME")


@dataclass(frozen=True)
class PairRecipe(Recipe):
    """Targets from their sources."""

    preset: ClassVar[str] = "bartleby-summary-mini"
    measured_by: ClassVar[Literal["rouge", "bleu"]]
    """What is measured of what the model writes."""

    @property
    def measured(self) -> tuple[str, ...]:
        """Of what the model writes only if it does."""
        return (self.metric, *(WRITTEN[self.measured_by] if self.options.written_examples else ()))

    @abstractmethod
    def shape(self, record: Any) -> Pair:
        """A record as a pair."""

    def prepare(self, folder: Path, tell: Tell) -> Figures:
        from bartleby.training.recipes.start import starting_tokenizer

        refuse_beyond_positions(self, "source_tokens", "target_tokens")
        self._refuse_unknown_corpora()
        if self.options.written_examples:
            need_extra("measure", "Measuring what is written (`written_examples` is not 0)")
        texts = chain.from_iterable((pair.source, pair.target) for pair in self.training_records(self.shape))
        tokenizer = starting_tokenizer(self, texts)
        tokenizer.save_pretrained(folder / "tokenizer")
        held_out = self.held_out_files()
        training = self._making(tokenizer, self.learnt_files(), self.data.limit)
        validation = self._making(tokenizer, held_out)
        figures = write_splits(folder, training, validation, self.data.validation_examples, tell)
        self._tell_unprefixed(held_out, tell)
        return figures

    def setup(self, folder: Path) -> Setup:
        from bartleby.backends.pytorch.auto import AutoModelForSeq2SeqLM
        from bartleby.training.objectives.likelihood import TargetLoss
        from bartleby.training.recipes.start import starting_model
        from bartleby.training.validation.texts import WritingFigures

        tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer", use_fast=False)
        styles = self.options.styles()
        model = starting_model(self, AutoModelForSeq2SeqLM, tokenizer, {"task_prefixes": styles} if styles else None)
        decoding = model.generation_config
        if not {"max_length", "max_new_tokens"} & decoding.to_diff_dict().keys():
            decoding.max_new_tokens = self.options.target_tokens
        examples, held_out = Examples.open(folder / "train"), Examples.open(folder / "valid")
        collation = PairCollation(examples, Padding.of(model.config))
        repeats = examples.padded("repeats", np.arange(len(examples)), 1)[0].reshape(-1)
        tokens, written = self.data.batch_tokens, self.options.written_examples
        return Setup(
            model=model,
            tokenizer=tokenizer,
            objective=TargetLoss(model, self.options.label_smoothing),
            batches=RepeatedBatches(collation.lengths(), repeats, collation, tokens, self.seed),
            measure=WritingFigures(model, tokenizer, held_out, written, self.measured_by),
        )

    def _making(self, tokenizer: PreTrainedTokenizer, paths: list[Path], limit: int | None = None) -> Making:
        reading, maker = Reading(), PairExamples(tokenizer, self.options)
        return Making(maker.rows(islice(self._pairs(paths, reading), limit)), reading, maker.report, "pairs")

    def _pairs(self, paths: list[Path], reading: Reading | None = None) -> Iterator[tuple[str, Pair]]:
        how: Any = self.data.on_bad_record
        return read_corpora(paths, self.shape, reading, how)

    def _refuse_unknown_corpora(self) -> None:
        """A prefix or a repetition for a corpus that is not there is a slip."""
        known = sorted({corpus_name(path) for path in self.learnt_files()})
        faults = [
            f"`{name}` must name one of the corpora {', '.join(known)}, but {pattern!r} is none."
            for name in ("prefixes", "repeats")
            for pattern, _ in map(divided, getattr(self.options, name))
            if not any(fnmatch(corpus, pattern) for corpus in known)
        ]
        raise_all(OptionError, faults, self.options.subject)

    def _tell_unprefixed(self, paths: list[Path], tell: Tell) -> None:
        """Measuring a model on texts without the prefix it was taught with measures something else."""
        corpora = sorted({corpus_name(path) for path in paths})
        without = [corpus for corpus in corpora if fitting(self.options.prefixes, corpus) is None]
        if self.options.prefixes and without:
            tell(f"No prefix stands before what is measured on of {', '.join(without)}: `prefixes` does not name them.")


@dataclass(frozen=True)
class SummarizeRecipe(PairRecipe):
    """Summaries from texts, or anything from anything, by the names of the fields."""

    kind: ClassVar[str] = "summarize"
    own: ClassVar[type[Options]] = SummarizeOptions
    measured_by: ClassVar[Literal["rouge", "bleu"]] = "rouge"

    def shape(self, record: Any) -> Pair:
        return as_pair(record, self.options.source_field, self.options.target_field, NAMING)


@dataclass(frozen=True)
class TranslateRecipe(PairRecipe):
    """Sentences of one language from those of another."""

    kind: ClassVar[str] = "translate"
    own: ClassVar[type[Options]] = TranslateOptions
    measured_by: ClassVar[Literal["rouge", "bleu"]] = "bleu"

    def shape(self, record: Any) -> Pair:
        return as_translation(record, self.options.source_language, self.options.target_language)


@dataclass
class PairReport:
    """How many pairs became examples, and what was left out or cut."""

    examples: int = 0
    repeated: int = 0
    """Examples an epoch, those that come several times counted so."""
    cut_sources: int = 0
    """Sources that lost their end to `source_tokens`."""
    long_sources: int = 0
    """Pairs left out because their source is longer."""
    long_targets: int = 0
    """Pairs left out because their target is longer than `target_tokens`."""

    def told(self) -> str:
        """All of it in one sentence."""
        again = f" ({self.repeated:,} an epoch, with those repeated)" if self.repeated != self.examples else ""
        return (
            f"{self.examples:,} examples{again}; {share_told(self.cut_sources, self.examples)} sources "
            "lost their end. "
            f"Left out: {self.long_sources:,} sources and {self.long_targets:,} targets that are too long"
        )


class PairExamples:
    """Turns pairs into rows of ids for one tokenizer: `source`, `target` and in `repeats` how often an epoch has it."""

    def __init__(self, tokenizer: PreTrainedTokenizer, options: PairOptions) -> None:
        self.tokenizer, self.options = tokenizer, options
        self.source_tokens = options.source_tokens or tokenizer.model_max_length
        self.report = PairReport()

    def rows(self, pairs: Iterable[tuple[str, Pair]]) -> Iterator[dict[str, Row]]:
        """The pairs that keep to the limits, in their order; each comes with the name of its corpus."""
        options, report = self.options, self.report
        for several in chunks(pairs):
            texts = [options.prefix_of(corpus) + pair.source for corpus, pair in several]
            sources = encode_within(self.tokenizer, texts, self.source_tokens)
            answers = encode(self.tokenizer, [pair.target for _, pair in several])
            targets = [ended(self.tokenizer, ids) for ids in answers]
            for (corpus, _), (source, cut), target in zip(several, sources, targets, strict=True):
                if len(target) > options.target_tokens:
                    report.long_targets += 1
                elif cut and options.long_sources == "out":
                    report.long_sources += 1
                else:
                    repeats = options.repeats_of(corpus)
                    report.examples += 1
                    report.repeated += repeats
                    report.cut_sources += cut
                    yield {"source": source, "target": target, "repeats": [repeats]}


def divided(choice: str) -> tuple[str, str | None]:
    """The two sides of CORPUS=…; None if there is no sign."""
    pattern, sign, text = choice.partition("=")
    return pattern, text if sign else None


def fitting(choices: Iterable[str], corpus: str) -> str | None:
    """What the first of several CORPUS=… says whose pattern a corpus fits."""
    return next((text for pattern, text in map(divided, choices) if fnmatch(corpus, pattern)), None)
