"""Training of a decoder alone to go on with a text: causal language modelling on blocks of tokens.

Each document is followed by its end, `</s>`. A block is read behind the decoder's start token, so the first token of
one that begins inside a text is foreseen from nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import ClassVar

from bartleby.errors import TokenizerError
from bartleby.tasks.texts import encode
from bartleby.tokenization.auto import AutoTokenizer
from bartleby.tokenization.base import PreTrainedTokenizer
from bartleby.training.batches import Batches
from bartleby.training.collation import BlockCollation, Padding
from bartleby.training.corpora import Reading
from bartleby.training.options import Options, option
from bartleby.training.recipes.examples import Making, chunks, refuse_beyond_positions, write_splits
from bartleby.training.recipes.recipe import Figures, Read, Recipe, Setup, Tell
from bartleby.training.records import Document, as_document
from bartleby.training.store import Examples, Row

DOCUMENTS_AT_ONCE = 200
PARAGRAPH = "\n"


@dataclass(frozen=True)
class LanguageModelOptions(Options):
    """How blocks are made."""

    subject: ClassVar[str] = "The language model's options"

    block_tokens: int | None = option(
        None, "Tokens of a block; else as many as the model has positions.", metavar="N", least=2
    )
    mix_documents: bool = option(True, "Fill blocks up with the next document.")
    label_smoothing: float = option(
        0.0, "Share of each target spread over the vocabulary.", metavar="X", least=0, most=0.99
    )


@dataclass(frozen=True)
class LanguageModelRecipe(Recipe):
    """The next token from those before it."""

    kind: ClassVar[str] = "lm"
    own: ClassVar[type[Options]] = LanguageModelOptions
    preset: ClassVar[str] = "bartleby-summary-mini"

    def prepare(self, folder: Path, tell: Tell) -> Figures:
        from bartleby.training.recipes.start import starting_tokenizer

        refuse_beyond_positions(self, "block_tokens")
        records = self.training_records(as_document)
        tokenizer = starting_tokenizer(self, chain.from_iterable(document.paragraphs for document in records))
        tokenizer.save_pretrained(folder / "tokenizer")
        training, validation = (
            self._making(tokenizer, read) for read in (self.training_records, self.validation_records)
        )
        return write_splits(folder, training, validation, self.data.validation_examples, tell)

    def _making(self, tokenizer: PreTrainedTokenizer, read: Read) -> Making:
        reading, maker = Reading(), TextBlocks(tokenizer, self.options)
        return Making(maker.rows(read(as_document, reading)), reading, maker.report)

    def setup(self, folder: Path) -> Setup:
        from bartleby.backends.pytorch.auto import AutoModelForCausalLM
        from bartleby.training.objectives.likelihood import TargetLoss
        from bartleby.training.recipes.start import starting_model
        from bartleby.training.validation.perplexity import PerplexityOf

        tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer", use_fast=False)
        model = starting_model(self, AutoModelForCausalLM, tokenizer)
        training, held_out = (
            BlockCollation(Examples.open(folder / split), Padding.of(model.config)) for split in ("train", "valid")
        )
        tokens = self.data.batch_tokens
        return Setup(
            model=model,
            tokenizer=tokenizer,
            objective=TargetLoss(model, self.options.label_smoothing),
            batches=Batches(training.lengths(), training, tokens, self.seed),
            measure=PerplexityOf(model, held_out, tokens),
        )


@dataclass
class BlockReport:
    """What became of the documents."""

    documents: int = 0
    examples: int = 0
    """Blocks."""
    tokens: int = 0
    """Of all blocks, the ends of documents included: none is left out."""

    def told(self) -> str:
        """All of it in one sentence."""
        return f"{self.documents:,} documents gave {self.examples:,} blocks, {self.tokens:,} tokens"


class TextBlocks:
    """Turns documents into blocks for one tokenizer: rows of `text`.

    Raises: TokenizerError if the tokenizer has no end of text.
    """

    def __init__(self, tokenizer: PreTrainedTokenizer, options: LanguageModelOptions) -> None:
        if tokenizer.eos_token_id is None:
            raise TokenizerError("The tokenizer must have an end of text, but has none. Set `eos_token`.")
        self.tokenizer, self.end = tokenizer, int(tokenizer.eos_token_id)
        self.block_tokens = options.block_tokens or tokenizer.model_max_length
        self.mix_documents = options.mix_documents
        self.report = BlockReport()

    def rows(self, documents: Iterable[Document]) -> Iterator[dict[str, Row]]:
        """All tokens in their order, in blocks that are full but for the last, or the last of each document."""
        waiting: list[int] = []
        for several in chunks(documents, DOCUMENTS_AT_ONCE):
            texts = [PARAGRAPH.join(document.paragraphs) for document in several]
            for ids in encode(self.tokenizer, texts, add_special_tokens=False):
                self.report.documents += 1
                waiting += [*ids, self.end]
                full = len(waiting) - len(waiting) % self.block_tokens if self.mix_documents else len(waiting)
                yield from self._blocks(waiting[:full])
                waiting = waiting[full:]
        yield from self._blocks(waiting)

    def _blocks(self, ids: list[int]) -> Iterator[dict[str, Row]]:
        for start in range(0, len(ids), self.block_tokens):
            block = ids[start : start + self.block_tokens]
            self.report.examples += 1
            self.report.tokens += len(block)
            yield {"text": block}
