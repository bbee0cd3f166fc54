"""How well answers are found in a text: F1 and exact match of the words between the likeliest start and end."""

from __future__ import annotations

from collections.abc import Sequence

from bartleby.backends.protocol import check_head
from bartleby.lab.evaluating.model import Measured, Model, Request, refuse_nothing
from bartleby.measure.overlap import answer, answers
from bartleby.tasks.answer import BestSpans, windows_of
from bartleby.tasks.batches import in_batches
from bartleby.training.records import Question

LONGEST_ANSWER = 30
"""Tokens; longer ones are not considered."""
OVERLAP = 4
"""Windows over a long context share a part of this of the positions with the one before."""


def measure_answers(model: Model, questions: Sequence[Question], request: Request) -> Measured:
    """Answer a sample of questions. That there is no answer is an answer only if some question of the file has none.

    Raises: DataError if there is no question.
    """
    check_head(model.backend.head, "question_answering")
    refuse_nothing(len(questions), "question")
    places = sorted(request.sampling.order(len(questions))[: request.sampling.limit])
    sample = [questions[place] for place in places]
    asked, contexts = [question.question for question in sample], [question.context for question in sample]
    windows = list(windows_of(model.tokenizer, asked, contexts, model.positions, model.positions // OVERLAP))
    spans = in_batches(
        [window.ids for window in windows],
        model.backend.spans,
        lambda done: request.watch("answering", done, len(windows)),
    )
    best = BestSpans(contexts, LONGEST_ANSWER)
    for window, (starts, ends) in zip(windows, spans, strict=True):
        best.add(window.question, window.offsets, starts, ends)
    texts = best.texts(may_be_none=any(not question.answers for question in questions))
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
