"""What a tokenizer's vocabulary says of words and sentences: one row of facts for every id.

Tokens of a text follow one another without gaps, so where a word begins or a sentence ends can be read off two
neighbours, for a whole text at once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bartleby.errors import TokenizerError
from bartleby.tokenization.base import PreTrainedTokenizer
from bartleby.tokenization.byte_level import ByteLevelTokenizer, token_bytes

Ids = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

FULL_STOP = re.compile(r"""[.!?…]["'”’»)\]]*""")
"""A mark that ends a sentence, with what may close behind it."""
JOINER = "@@"
"""Blenderbot-Small's mark of a token whose word goes on."""


@dataclass(frozen=True)
class Lexicon:
    """Facts about each id of a vocabulary; the flags are (v,)."""

    mask_token_id: int
    ordinary: Ids
    """The ids that are not special: what a random token is drawn from."""
    special: Flags
    opens: Flags
    """A word begins with this token."""
    closes: Flags
    """A word begins behind this token."""
    stops: Flags
    """A full stop, also with closing quotes."""
    breaks: Flags
    """Line breaks, alone."""

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizer) -> Lexicon:
        """Raises: TokenizerError if the tokenizer has no mask token."""
        mask = tokenizer.mask_token_id
        if mask is None:
            raise TokenizerError("The tokenizer must have a mask token, but has none. Set `mask_token`, or learn one.")
        special = np.zeros(len(tokenizer), dtype=bool)
        special[list(tokenizer.all_special_ids)] = True
        pieces = [tokenizer.convert_ids_to_tokens(index) or "" for index in range(len(tokenizer))]
        if isinstance(tokenizer, ByteLevelTokenizer):
            texts = [token_bytes(piece).decode("utf-8", errors="replace") for piece in pieces]
            opens = np.array([text[:1].isspace() for text in texts])
            closes = np.array([text.endswith("\n") for text in texts])
        else:
            texts = pieces
            opens = np.zeros(len(pieces), dtype=bool)
            closes = np.array([not piece.endswith(JOINER) for piece in pieces])
        return cls(
            mask_token_id=mask,
            ordinary=np.flatnonzero(~special),
            special=special,
            opens=opens | special,
            closes=closes | special,
            stops=np.array([FULL_STOP.fullmatch(text.strip()) is not None for text in texts]) & ~special,
            breaks=np.array(["\n" in text and text.isspace() for text in texts]),
        )

    def content(self, row: Ids) -> slice:
        """Where the text of a row is: between the special tokens at its ends."""
        inner = np.flatnonzero(~self.special[row])
        return slice(int(inner[0]), int(inner[-1]) + 1) if inner.size else slice(len(row), len(row))

    def word_starts(self, row: Ids) -> Flags:
        """Which tokens begin a word; the first always does.

        Shapes: (n,) -> (n,).
        """
        starts = self.opens[row]
        starts[1:] |= self.closes[row[:-1]]
        starts[:1] = True
        return starts

    def sentence_starts(self, row: Ids) -> Ids:
        """Where sentences begin, the first of them at 0; a line break belongs to the sentence before it.

        A full stop ends one only where a word follows: the points in "3.14" and "e.g.," do not.
        Shapes: (n,) -> (sentences,).
        """
        line_ended = self.breaks[row[:-1]]
        stopped = self.stops[row[:-1]] & self.word_starts(row)[1:]
        ended = (line_ended | stopped) & ~self.breaks[row[1:]]
        return np.flatnonzero(np.concatenate([[True], ended])[: len(row)])
