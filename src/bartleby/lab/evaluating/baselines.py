"""What is reached without a model: the answer to the most similar text that is known, or the most frequent answer."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Collection, Hashable, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from bartleby.measure.words import sentences, words

Answer = TypeVar("Answer", bound=Hashable)


class TfIdf:
    """Texts to compare with, by their words: the rarer a word is in them, the more it counts.

    Words in common count 1 + log(times), times 1 + log((1 + texts) / (1 + texts with it)); vectors have length 1.
    Source: Salton and Buckley 1988, "Term-weighting approaches in automatic text retrieval".
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self.count = len(texts)
        postings: dict[str, tuple[array[int], array[float]]] = {}
        for place, text in enumerate(texts):
            for word, times in Counter(words(text)).items():
                places, weights = postings.setdefault(word, (array("q"), array("d")))
                places.append(place)
                weights.append(1 + math.log(times))
        self._rarity = {word: self._idf(len(places)) for word, (places, _) in postings.items()}
        self._postings = {
            word: (np.frombuffer(places, np.int64), np.frombuffer(weights, np.float64) * self._rarity[word])
            for word, (places, weights) in postings.items()
        }
        squares = np.zeros(self.count)
        for holders, held in self._postings.values():
            squares[holders] += held**2  # a text is there once a word
        self._norms = np.sqrt(np.maximum(squares, 1e-12))

    def similarities(self, text: str) -> npt.NDArray[np.float64]:
        """Cosine of `text` with every known text; (texts,)."""
        scores = np.zeros(self.count)
        for word, weight in self.vector(text).items():
            if word in self._postings:
                holders, held = self._postings[word]
                scores[holders] += weight * held
        similar: npt.NDArray[np.float64] = scores / self._norms
        return similar

    def nearest(self, text: str, besides: Collection[int] = ()) -> int | None:
        """The place of the most similar text, the first of several; None if nothing is left besides those."""
        scores = self.similarities(text)
        scores[list(besides)] = -1.0
        place = int(scores.argmax()) if self.count else 0
        return place if self.count and scores[place] >= 0 else None

    def similarity(self, text: str, other: str) -> float:
        """Cosine of two texts, neither of which need be known."""
        ours, theirs = self.vector(text), self.vector(other)
        return sum(weight * theirs.get(word, 0.0) for word, weight in ours.items())

    def vector(self, text: str) -> dict[str, float]:
        """Word -> weight; of length 1 unless there is no word."""
        weights = {
            word: (1 + math.log(times)) * self._rarity.get(word, self._idf(0))
            for word, times in Counter(words(text)).items()
        }
        norm = math.sqrt(sum(weight**2 for weight in weights.values())) or 1.0
        return {word: weight / norm for word, weight in weights.items()}

    def _idf(self, texts_with_it: int) -> float:
        return 1 + math.log((1 + self.count) / (1 + texts_with_it))


def most_frequent(answers: Sequence[Answer]) -> Answer:
    """The answer given most often, the first of several."""
    return Counter(answers).most_common(1)[0][0]


def first_sentence(text: str) -> str:
    """Of the first line that has one."""
    return next((sentence for line in text.splitlines() for sentence in sentences(line)), "")
