"""How well answers are found in a text: F1 and exact match of the words between the likeliest start and end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bartleby.backends.grouping import alike_in_length
from bartleby.backends.protocol import check_head
from bartleby.errors import DataError
from bartleby.lab.evaluating.model import Measured, Model, Request, refuse_nothing
from bartleby.measure.overlap import answer, answers
from bartleby.training.records import Question

TOKENS_AT_ONCE = 16_384
LONGEST_ANSWER = 30
"""Tokens; longer ones are not considered."""
OVERLAP = 4
"""Windows over a long context share a part of this of the positions with the one before."""


@dataclass(frozen=True)
class Window:
    """A question with as much of its context as fits."""

    question: int
    ids: list[int]
    offsets: list[tuple[int, int] | None]
    """Where each token stands in the context; None for those of the question and special ones."""
    is_first: bool


def measure_answers(model: Model, questions: Sequence[Question], request: Request) -> Measured:
    """Answer a sample of questions. That there is no answer is an answer only if some question of the file has none.

    Raises: DataError if there is no question, or the tokenizer does not tell where its tokens stand.
    """
    check_head(model.backend.head, "question_answering")
    refuse_nothing(len(questions), "question")
    places = sorted(request.sampling.order(len(questions))[: request.sampling.limit])
    sample = [questions[place] for place in places]
    may_be_none = any(not question.answers for question in questions)
    windows = [window for number, question in enumerate(sample) for window in windows_of(model, question, number)]
    spans = _spans(model, windows, request)
    found = [("", -np.inf)] * len(sample)
    nothing = np.full(len(sample), np.inf)
    for window, (starts, ends) in zip(windows, spans, strict=True):
        text, score = best_span(window, starts, ends, sample[window.question].context)
        if score > found[window.question][1]:
            found[window.question] = text, score
        nothing[window.question] = min(nothing[window.question], starts[0] + ends[0])
    texts = [
        "" if may_be_none and none > score else text
        for (text, score), none in zip(found, nothing.tolist(), strict=True)
    ]
    references = [[one.text for one in question.answers] or [""] for question in sample]
    means = answers(texts, references)
    return Measured(
        figures={"exact_match": means.exact_match, "f1": means.f1},
        facts={
            "windows": len(windows),
            "long_contexts": len({window.question for window in windows if not window.is_first}),
            "without_answer": sum(not question.answers for question in sample),
        },
        outputs=[
            {"record": place, "id": question.name, "output": text, "references": known, "f1": answer(text, known).f1}
            for place, question, text, known in zip(places, sample, texts, references, strict=True)
        ],
    )


def windows_of(model: Model, question: Question, number: int) -> list[Window]:
    """The question before every part of its context.

    Raises: DataError if the question alone fills the positions, or the tokenizer is none of the fast ones.
    """
    if not getattr(model.tokenizer, "is_fast", True):
        raise DataError(f"{model.name} must have a fast tokenizer, which tells where its tokens stand in the text.")
    encoded = model.tokenizer(
        question.question,
        question.context,
        truncation="only_second",
        max_length=model.positions,
        stride=model.positions // OVERLAP,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    return [
        Window(
            number,
            list(ids),
            [
                (int(start), int(end)) if part == 1 else None
                for part, (start, end) in zip(encoded.sequence_ids(row), offsets, strict=True)
            ],
            row == 0,
        )
        for row, (ids, offsets) in enumerate(zip(encoded["input_ids"], encoded["offset_mapping"], strict=True))
    ]


def best_span(window: Window, starts: Sequence[float], ends: Sequence[float], context: str) -> tuple[str, float]:
    """The words between the start and the end that together score highest, and their score."""
    inside = np.array([place is not None for place in window.offsets])
    first = np.where(inside, np.asarray(starts), -np.inf)
    last = np.where(inside, np.asarray(ends), -np.inf)
    table = first[:, None] + last[None, :]  # (start, end)
    allowed = np.triu(np.ones_like(table, dtype=bool)) & ~np.triu(np.ones_like(table, dtype=bool), LONGEST_ANSWER)
    table = np.where(allowed, table, -np.inf)
    start, end = np.unravel_index(int(table.argmax()), table.shape)
    opened, closed = window.offsets[int(start)], window.offsets[int(end)]
    if opened is None or closed is None:  # no part of the context is in this window
        return "", -np.inf
    return context[opened[0] : closed[1]].strip(), float(table[start, end])


def _spans(model: Model, windows: Sequence[Window], request: Request) -> list[tuple[list[float], list[float]]]:
    found: dict[int, tuple[list[float], list[float]]] = {}
    for members in alike_in_length([window.ids for window in windows], TOKENS_AT_ONCE):
        rows = model.backend.spans([windows[place].ids for place in members])
        found |= dict(zip(members, rows, strict=True))
        request.watch("answering", len(found), len(windows))
    return [found[place] for place in range(len(windows))]
