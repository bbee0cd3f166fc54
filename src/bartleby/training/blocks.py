"""Documents become blocks of tokens: whole paragraphs side by side, as many as fit; every token stays.

A block is one text to the model, special tokens at its ends; a line break stands between two paragraphs. What does not
fit into one block begins the next. A paragraph longer than a block is cut behind sentences, or else between words.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from bartleby.errors import OptionError
from bartleby.tasks.texts import encode
from bartleby.tokenization.base import PreTrainedTokenizer
from bartleby.training.lexicon import Ids, Lexicon
from bartleby.training.records import Document

ENCODED_AT_ONCE = 10_000
"""Paragraphs given to the tokenizer together: enough to keep all its threads busy, and no more of them in memory."""
BREAK = "\n"


@dataclass
class BlockReport:
    """What became of the documents."""

    documents: int = 0
    paragraphs: int = 0
    blocks: int = 0
    tokens: int = 0
    """Of the blocks, special tokens and line breaks included."""
    cut_paragraphs: int = 0
    """Longer than a block: cut behind sentences."""
    cut_sentences: int = 0
    """Times that even a sentence was longer than a block, and cut between words."""

    def told(self) -> str:
        """All of it in one sentence."""
        return (
            f"{self.documents:,} documents of {self.paragraphs:,} paragraphs gave {self.blocks:,} blocks, "
            f"{self.tokens:,} tokens. Cut: {self.cut_paragraphs:,} paragraphs longer than a block, "
            f"{self.cut_sentences:,} times inside a sentence"
        )


class Packing:
    """Makes blocks of at most `block_tokens`, special tokens included, for one tokenizer.

    Documents share a block only with `mix_documents`; an empty line is between them then.
    Raises: OptionError if special tokens leave a block no room.
    """

    def __init__(self, tokenizer: PreTrainedTokenizer, block_tokens: int, mix_documents: bool = False) -> None:
        self.tokenizer, self.mix_documents = tokenizer, mix_documents
        self.lexicon = Lexicon.of(tokenizer)
        self.report = BlockReport()
        self._break = self._encoded([BREAK])[0]
        whole = np.array(tokenizer(BREAK)["input_ids"])
        inner = np.flatnonzero(~self.lexicon.special[whole])
        self._before, self._after = whole[: inner[0]], whole[inner[-1] + 1 :]
        self.room = block_tokens - self._before.size - self._after.size
        if self.room < 1:
            least = block_tokens + 1 - self.room
            raise OptionError(f"`block_tokens` must be at least {least} for this tokenizer, but is {block_tokens}.")

    def blocks(self, documents: Iterable[Document]) -> Iterator[Ids]:
        """The blocks of all documents, in their order."""
        open_block: list[Ids] = []
        for paragraphs in self._encoded_documents(documents):
            gap = [self._break, self._break] if open_block else []
            for paragraph in paragraphs:
                for part in self._parts(paragraph):
                    joined = [*open_block, *gap, part]
                    if open_block and sum(map(len, joined)) > self.room:
                        yield self._closed(open_block)
                        joined = [part]
                    open_block, gap = joined, [self._break]
            if open_block and not self.mix_documents:
                yield self._closed(open_block)
                open_block = []
        if open_block:
            yield self._closed(open_block)

    def _encoded_documents(self, documents: Iterable[Document]) -> Iterator[list[Ids]]:
        """The paragraphs of each document as ids; many documents are encoded at once."""
        waiting: list[Document] = []
        paragraphs = 0
        for document in documents:
            waiting.append(document)
            paragraphs += len(document.paragraphs)
            if paragraphs >= ENCODED_AT_ONCE:
                yield from self._encode_together(waiting)
                waiting, paragraphs = [], 0
        yield from self._encode_together(waiting)

    def _encode_together(self, documents: list[Document]) -> Iterator[list[Ids]]:
        texts = [paragraph.strip() for document in documents for paragraph in document.paragraphs]
        rows = iter(self._encoded(texts))
        self.report.documents += len(documents)
        self.report.paragraphs += len(texts)
        for document in documents:
            yield [next(rows) for _ in document.paragraphs]

    def _encoded(self, texts: list[str]) -> list[Ids]:
        rows = encode(self.tokenizer, texts, add_special_tokens=False)
        return [np.array(row, dtype=np.int64) for row in rows]

    def _parts(self, paragraph: Ids) -> Iterator[Ids]:
        """A paragraph, cut where it must be."""
        if paragraph.size <= self.room:
            yield paragraph
            return
        self.report.cut_paragraphs += 1
        sentences = self.lexicon.sentence_starts(paragraph)
        words = np.flatnonzero(self.lexicon.word_starts(paragraph))
        start = 0
        while paragraph.size - start > self.room:
            end = last_within(sentences, start, start + self.room)
            if end is None:
                self.report.cut_sentences += 1
                end = last_within(words, start, start + self.room) or start + self.room
            yield paragraph[start:end]
            start = end
        yield paragraph[start:]

    def _closed(self, pieces: list[Ids]) -> Ids:
        block = np.concatenate([self._before, *pieces, self._after])
        self.report.blocks += 1
        self.report.tokens += block.size
        return block


def last_within(places: Ids, after: int, most: int) -> int | None:
    """The last of the sorted `places` that is above `after` and at most `most`."""
    found = int(np.searchsorted(places, most, side="right"))
    return int(places[found - 1]) if found and places[found - 1] > after else None
