"""Texts as the words, n-grams and sentences that figures are counted in; no tokenizer of a model has a part in it."""

from __future__ import annotations

import re
from collections.abc import Sequence, Sized
from itertools import pairwise

from bartleby.errors import DataError

_WORD = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"'”’)\]]*\s+")


def words(text: str) -> list[str]:
    """Lower-case words, "don't" as one, and every other mark by itself."""
    return _WORD.findall(text.lower())


def ngrams(words: Sequence[str], size: int) -> list[tuple[str, ...]]:
    """Every run of `size` words, in order; none if there are fewer."""
    return [tuple(words[start : start + size]) for start in range(len(words) - size + 1)]


def sentences(text: str) -> list[str]:
    """The lines of a text of several lines; of one line, what stands between `.`, `!` or `?` before white space.

    A rule of thumb: it also ends a sentence after "Dr.".
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) != 1:
        return lines
    ends = [0, *(match.end() for match in _SENTENCE_END.finditer(lines[0])), len(lines[0])]
    pieces = (lines[0][start:end].strip() for start, end in pairwise(ends))
    return [piece for piece in pieces if piece]


def check_pairs(found: Sized, wanted: Sized) -> None:
    """Raises: DataError unless there is one wanted for each found, and at least one."""
    if len(found) != len(wanted):
        raise DataError(f"There must be one reference for each of {len(found)} outputs, but are {len(wanted)}.")
    if not len(found):
        raise DataError("A figure needs at least one output, but there is none.")
