"""Find answers in a text: a long context is read in windows that overlap, and the best span of any of them answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bartleby.tokenization.base import PreTrainedTokenizer

Ids = npt.NDArray[np.int64]
Scores = Sequence[float] | npt.NDArray[np.float32]


@dataclass(frozen=True)
class Window:
    """A question with as much of its context as fits."""

    question: int
    """Its place among the questions."""
    ids: list[int]
    offsets: Ids
    """The characters of the context where each token begins and ends; (s, 2), -1 for what is none of it."""
    is_first: bool


def windows_of(
    tokenizer: PreTrainedTokenizer, questions: Sequence[str], contexts: Sequence[str], room: int, overlap: int
) -> Iterator[Window]:
    """Each question before every part of its context, `room` tokens in all, of which parts share `overlap`.

    What looks like a special token in a text is text.
    """
    encoded = tokenizer(
        list(questions),
        list(contexts),
        truncation="only_second",
        max_length=room,
        stride=overlap,
        split_special_tokens=True,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    before = -1
    for row, number in enumerate(encoded["overflow_to_sample_mapping"]):
        of_context = np.array([part == 1 for part in encoded.sequence_ids(row)])
        offsets = np.where(of_context[:, None], np.array(encoded["offset_mapping"][row]), -1)  # (s, 2)
        yield Window(number, list(encoded["input_ids"][row]), offsets, number != before)
        before = number


class BestSpans:
    """The words that score highest in any window over each context; `longest` is in tokens."""

    def __init__(self, contexts: Sequence[str], longest: int) -> None:
        self.contexts, self.longest = contexts, longest
        self._best = [("", -np.inf)] * len(contexts)
        self._nothing = [np.inf] * len(contexts)

    def add(self, question: int, offsets: Ids, starts: Scores, ends: Scores) -> None:
        """Take in the scores of a window; those of its first token say how likely it holds no answer."""
        text, score = best_span(self.contexts[question], offsets, (starts, ends), self.longest)
        if score > self._best[question][1]:
            self._best[question] = text, score
        self._nothing[question] = min(self._nothing[question], float(starts[0] + ends[0]))

    def texts(self, may_be_none: bool) -> list[str]:
        """The answers, in the order of the contexts; empty where there is none, if that may be."""
        return [
            "" if may_be_none and nothing > score else text
            for (text, score), nothing in zip(self._best, self._nothing, strict=True)
        ]


def best_span(context: str, offsets: Ids, scores: tuple[Scores, Scores], longest: int) -> tuple[str, float]:
    """The words from the start to the end that together score highest, at most `longest` tokens, and their score.

    Without a token of the context there are none, and nothing scores less.
    Shapes: offsets (s, 2), as a `Window` has them; scores of starts and of ends (s,).
    """
    inside = np.flatnonzero(offsets[:, 0] >= 0)
    if not inside.size:
        return "", -np.inf
    starts, ends = (np.asarray(column)[inside] for column in scores)
    places = np.arange(inside.size)
    lengths = places[None, :] - places[:, None] + 1
    table = np.where((lengths >= 1) & (lengths <= longest), starts[:, None] + ends[None, :], -np.inf)  # (n, n)
    first, last = np.unravel_index(int(table.argmax()), table.shape)
    opened, closed = offsets[inside[first], 0], offsets[inside[last], 1]
    return context[int(opened) : int(closed)].strip(), float(table[first, last])
