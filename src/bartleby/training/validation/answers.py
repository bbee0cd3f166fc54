"""How often the answer that a model finds is right, and how many of its words are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bartleby.measure.overlap import answers
from bartleby.tasks.answer import BestSpans
from bartleby.training.collation import SpanCollation, measured_batches
from bartleby.training.modes import at_rest
from bartleby.training.objectives.spans import SpanLoss, span_logits
from bartleby.training.records import Question

Scores = npt.NDArray[np.float32]


@dataclass(frozen=True)
class AnswerFigures:
    """Measures the objective's model on questions and the windows over their contexts."""

    objective: SpanLoss
    windows: SpanCollation
    questions: Sequence[Question]
    answer_tokens: int
    """Longer answers are not considered."""
    batch_tokens: int

    def __call__(self, count: int | None = None) -> dict[str, float]:
        """On the first `count` questions, or on all: the loss a window, exact match and F1."""
        questions = self.questions[:count]
        with at_rest(self.objective):
            losses, texts = self._answered(questions)
        means = answers(texts, [[one.text for one in question.answers] or [""] for question in questions])
        figures = {"exact_match": means.exact_match, "f1": means.f1}
        return {"loss": float(np.mean(losses)), **figures, "examples": len(questions), "windows": len(losses)}

    def _answered(self, questions: Sequence[Question]) -> tuple[list[float], list[str]]:
        """The loss of every window, and for each question the words that score highest in any of its windows.

        That there are none is an answer only if some question has none.
        """
        best = BestSpans([question.context for question in questions], self.answer_tokens)
        losses = []
        for number, row, loss, (starts, ends) in self._scored(len(questions)):
            losses.append(loss)
            columns = [self.windows.examples.row(name, row) for name in ("starts", "ends")]
            best.add(number, np.stack(columns, axis=1), starts, ends)
        return losses, best.texts(may_be_none=any(not question.answers for question in questions))

    def _scored(self, count: int) -> Iterator[tuple[int, int, float, tuple[Scores, Scores]]]:
        """Question, window, loss and scores of every window over the first `count` questions."""
        numbers = self.windows.examples.padded("question", np.arange(len(self.windows.examples)), 0)[0].reshape(-1)
        rows = np.flatnonzero(numbers < count)
        chosen = replace(self.windows, examples=self.windows.examples.take(rows))
        for batch in measured_batches(chosen, self.batch_tokens).once():
            loss = float(self.objective(batch, batch)["likelihood"])
            starts, ends = (scores.cpu().numpy() for scores in span_logits(self.objective.model, batch))
            for place, row in enumerate(rows[batch.arrays["window"]].tolist()):
                yield int(numbers[row]), row, loss, (starts[place], ends[place])
