"""Pretraining as BART's: texts are spoilt, and the model writes them as they were.

Any corpus of texts will do: `{"paragraphs": [text, …]}`, `{"text": …}` with or without a `summary`, plain text files.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

from bartleby.errors import OptionError, raise_all
from bartleby.tokenization.auto import AutoTokenizer
from bartleby.tokenization.base import PreTrainedTokenizer
from bartleby.training.batches import Batches
from bartleby.training.blocks import Packing
from bartleby.training.collation import Padding
from bartleby.training.corpora import Reading, corpus_name, training_files
from bartleby.training.denoising import TEXT, DenoisingCollation
from bartleby.training.lexicon import Lexicon
from bartleby.training.noise import NOISES, Noise
from bartleby.training.options import Options, option
from bartleby.training.recipes.examples import VALIDATION_SEED, Making, refuse_beyond_positions, write_splits
from bartleby.training.recipes.recipe import Figures, Read, Recipe, Setup, Tell
from bartleby.training.records import Document, as_document, is_text
from bartleby.training.store import Examples, Row


@dataclass(frozen=True)
class PretrainOptions(Options):
    """What is made of the texts."""

    subject: ClassVar[str] = "The pretraining's options"

    noise: str = option("bart-large", "How the texts are spoilt.", choices=tuple(NOISES))
    noise_change: tuple[str, ...] = option((), "Field of the noise, such as mask=0.15.", metavar="FIELD=VALUE")
    block_tokens: int = option(512, "Tokens of a text at most, `<s>` and `</s>` included.", metavar="N", least=1)
    mix_documents: bool = option(False, "Let a text go over from one document to the next.")
    with_summaries: bool = option(False, "Of records with a `summary`, learn that too, above the text.")
    more_data: tuple[Path, ...] = option((), "More folders or files to learn from.", metavar="PATH")
    vocabulary_data: tuple[Path, ...] = option(
        (), "Folders or files that only a new tokenizer learns from, besides.", metavar="PATH"
    )

    def contradictions(self) -> Iterator[str]:
        """A noise that is none."""
        try:
            self.chosen_noise()
        except OptionError as fault:
            yield str(fault)

    def chosen_noise(self) -> Noise:
        """The noise with its changes; their values are read as JSON, or else are text."""
        known = [field.name for field in fields(Noise)]
        changes: dict[str, Any] = {}
        faults = []
        for change in self.noise_change:
            name, sign, text = change.partition("=")
            if not sign or name not in known:
                told = f"FIELD=VALUE with one of {', '.join(known)}"
                faults.append(f"`noise_change` must be {told}, but is {change!r}.")
                continue
            changes[name] = text
            with suppress(ValueError):
                changes[name] = json.loads(text)
        noise = NOISES[self.noise]
        try:
            noise = replace(noise, **changes)
        except OptionError as fault:
            faults.append(str(fault))
        raise_all(OptionError, faults, "The changes to the noise")
        return noise


@dataclass(frozen=True)
class PretrainRecipe(Recipe):
    """Denoising of blocks of text, spoilt in another way each epoch."""

    kind: ClassVar[str] = "pretrain"
    own: ClassVar[type[Options]] = PretrainOptions
    preset: ClassVar[str] = "bartleby-summary-mini"

    def prepare(self, folder: Path, tell: Tell) -> Figures:
        """The corpora are read twice where a tokenizer is learnt from them: they need not fit in memory."""
        from bartleby.training.recipes.start import starting_tokenizer

        refuse_beyond_positions(self, "block_tokens")
        tokenizer = starting_tokenizer(self, self._vocabulary_texts(tell))
        tokenizer.save_pretrained(folder / "tokenizer")
        tell(f"The tokenizer has {len(tokenizer):,} entries.")
        training = self._making(tokenizer, self.training_records)
        validation = self._making(tokenizer, self.validation_records)
        figures = write_splits(folder, training, validation, self.data.validation_examples, tell)
        return {**figures, "examples": training.report.blocks}

    def setup(self, folder: Path) -> Setup:
        """The noise of a step depends on the seed, the epoch and the batch's place in it."""
        from bartleby.backends.pytorch.auto import AutoModelForSeq2SeqLM
        from bartleby.training.objectives.likelihood import TargetLoss
        from bartleby.training.recipes.start import starting_model
        from bartleby.training.validation.perplexity import PerplexityOf

        tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer", use_fast=False)
        model = starting_model(self, AutoModelForSeq2SeqLM, tokenizer)
        collation = DenoisingCollation(
            examples=Examples.open(folder / "train"),
            noise=self.options.chosen_noise(),
            lexicon=Lexicon.of(tokenizer),
            padding=Padding.of(model.config),
            longest=model.config.max_position_embeddings,
        )
        fixed = replace(collation, examples=Examples.open(folder / "valid"), seed=VALIDATION_SEED)
        return Setup(
            model=model,
            tokenizer=tokenizer,
            objective=TargetLoss(model),
            batches=Batches(collation.lengths(), collation, self.data.batch_tokens, self.seed),
            measure=PerplexityOf(model, fixed),
        )

    def learnt_files(self) -> list[Path]:
        """With those of more data."""
        more = (training_files(data) for data in self.options.more_data)
        return [*super().learnt_files(), *chain.from_iterable(more)]

    def deciding_files(self) -> list[Path]:
        """With those of the vocabulary, which decides about every token."""
        return list(dict.fromkeys([*self.learnt_files(), *self._vocabulary_files()]))

    def document(self) -> dict[str, Any]:
        """Where files lie decides nothing: `corpora` has their sizes."""
        document = super().document()
        for name in ("more_data", "vocabulary_data"):
            del document[name]
        return document

    def _making(self, tokenizer: PreTrainedTokenizer, read: Read) -> Making:
        reading, packing = Reading(), Packing(tokenizer, self.options.block_tokens, self.options.mix_documents)
        return Making(rows(packing, read(self._shape(), reading)), reading, packing.report)

    def _vocabulary_files(self) -> list[Path]:
        return [path for data in self.options.vocabulary_data for path in training_files(data)]

    def _vocabulary_texts(self, tell: Tell) -> Iterator[str]:
        """Paragraph by paragraph, summaries always included; not read unless a tokenizer is learnt."""
        files, further = self.learnt_files(), self._vocabulary_files()
        tell(f"Learning a vocabulary from {', '.join(dict.fromkeys(map(corpus_name, [*files, *further])))} …")
        for document in chain(self.training_records(with_summary), self._records(further, with_summary)):
            yield from document.paragraphs

    def _shape(self) -> Callable[[Any], Document]:
        return with_summary if self.options.with_summaries else as_document


def rows(packing: Packing, documents: Iterable[Document]) -> Iterator[dict[str, Row]]:
    """The blocks of documents as rows of examples."""
    return ({TEXT: block} for block in packing.blocks(documents))


def with_summary(record: Any) -> Document:
    """A record's document with its summary, if it has one, as the first paragraph."""
    document = as_document(record)
    summary = record.get("summary") if isinstance(record, dict) else None
    return Document((summary, *document.paragraphs)) if is_text(summary) else document
