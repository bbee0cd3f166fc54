"""How varied texts are: within one, and beside each other. In words and marks, as `words.words` finds them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bartleby.errors import DataError
from bartleby.measure.words import ngrams, words

REPEATED = 2
"""The n of `repetition`. Chat decoding blocks what comes twice from three tokens on, which hides all but pairs."""


def distinct(texts: Sequence[str], size: int) -> float:
    """Different n-grams, as a share of all n-grams of all texts together; nan where no text is long enough.

    It falls with the number of texts: compare figures of equally many.
    Source: Li et al. 2016 (arXiv 1510.03055), section 5.1; there a share of words.
    """
    _check(texts, size)
    found = [gram for text in texts for gram in ngrams(words(text), size)]
    return len(set(found)) / len(found) if found else float("nan")


def repetition(texts: Sequence[str], size: int = REPEATED) -> float:
    """The share of n-grams that the same text had before, mean over texts; a text too short to repeat any has 0."""
    _check(texts, size)
    return float(np.mean([_repeated(ngrams(words(text), size)) for text in texts]))


def mean_length(texts: Sequence[str]) -> float:
    """Words and marks a text."""
    _check(texts, 1)
    return float(np.mean([len(words(text)) for text in texts]))


def _repeated(grams: Sequence[tuple[str, ...]]) -> float:
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def _check(texts: Sequence[str], size: int) -> None:
    if isinstance(texts, str) or not texts:
        raise DataError("A figure needs a list of at least one text, but there is none.")
    if size < 1:
        raise DataError(f"`size` must be at least 1, but is {size}.")
