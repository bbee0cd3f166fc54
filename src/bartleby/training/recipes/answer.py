"""Training to find answers in a text: where the words begin and end that answer a question, or that none do.

A context that is too long is read in several windows that overlap. The answer of a window that does not hold it whole,
and of a question without one, is the first token, `<s>`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from bartleby.documents import write_whole
from bartleby.errors import OptionError, raise_all
from bartleby.tasks.answer import windows_of
from bartleby.tasks.texts import encode
from bartleby.tokenization.auto import AutoTokenizer
from bartleby.tokenization.base import PreTrainedTokenizer
from bartleby.training.batches import Batches
from bartleby.training.collation import SpanCollation
from bartleby.training.corpora import Reading
from bartleby.training.options import Options, option
from bartleby.training.recipes.examples import (
    VALIDATION_SEED,
    Making,
    chunks,
    figures_of,
    refuse_beyond_positions,
    tell_skipped,
    write_examples,
    write_training,
)
from bartleby.training.recipes.recipe import Figures, Recipe, Setup, Tell
from bartleby.training.records import Question, as_question
from bartleby.training.store import Examples, Ids, Row

ASKED = "questions.jsonl"
"""Of the validation: context and answers, for the windows hold tokens only."""
SPECIAL_TOKENS = 4
"""Of a pair, as BART joins it: `<s> … </s></s> … </s>`."""
QUESTIONS_AT_ONCE = 200
"""Each may make many windows."""


@dataclass(frozen=True)
class AnswerOptions(Options):
    """How windows are made. Lengths are in tokens."""

    subject: ClassVar[str] = "The answers' options"

    source_tokens: int | None = option(
        None, "Room for question and context; else all of the model's.", metavar="N", least=24
    )
    overlap_tokens: int | None = option(
        None, "What two windows over a context share; else a quarter of the room.", metavar="N", least=0
    )
    question_tokens: int | None = option(
        None, "Longer questions are left out; else half of the room.", metavar="N", least=1
    )
    answer_tokens: int = option(30, "Longer answers are not considered in measuring.", metavar="N", least=1)


@dataclass(frozen=True)
class AnswerRecipe(Recipe):
    """Answers from questions and contexts."""

    kind: ClassVar[str] = "answer"
    own: ClassVar[type[Options]] = AnswerOptions
    preset: ClassVar[str] = "bartleby-summary-mini"
    metric: ClassVar[str] = "f1"

    @property
    def measured(self) -> tuple[str, ...]:
        """Also the loss a window."""
        return "loss", "exact_match", "f1"

    def prepare(self, folder: Path, tell: Tell) -> Figures:
        from bartleby.training.recipes.start import starting_tokenizer

        refuse_beyond_positions(self, "source_tokens")
        records = self.training_records(as_question)
        tokenizer = starting_tokenizer(self, chain.from_iterable((asked.question, asked.context) for asked in records))
        tokenizer.save_pretrained(folder / "tokenizer")
        reading, maker = Reading(), AnswerExamples(tokenizer, self.options)
        rows = maker.windows(self.training_records(as_question, reading))
        learnt = ({"source": row["source"], "span": row["span"]} for row in rows)
        training = Making(learnt, reading, maker.report, "questions")
        write_training(folder / "train", training, tell)
        return figures_of(training, self._write_validation(tokenizer, folder, tell))

    def setup(self, folder: Path) -> Setup:
        from bartleby.backends.pytorch.auto import AutoModelForQuestionAnswering
        from bartleby.training.objectives.spans import SpanLoss
        from bartleby.training.recipes.start import starting_model
        from bartleby.training.validation.answers import AnswerFigures

        tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer", use_fast=False)
        model = starting_model(self, AutoModelForQuestionAnswering, tokenizer)
        pad = model.config.pad_token_id or 0
        collation = SpanCollation(Examples.open(folder / "train"), pad)
        with (folder / ASKED).open(encoding="utf-8") as lines:
            questions = [as_question(json.loads(line)) for line in lines]
        objective, tokens = SpanLoss(model), self.data.batch_tokens
        windows = SpanCollation(Examples.open(folder / "valid"), pad)
        return Setup(
            model=model,
            tokenizer=tokenizer,
            objective=objective,
            batches=Batches(collation.lengths(), collation, tokens, self.seed),
            measure=AnswerFigures(objective, windows, questions, self.options.answer_tokens, tokens),
        )

    def _write_validation(self, tokenizer: PreTrainedTokenizer, folder: Path, tell: Tell) -> Making:
        """The windows of questions that are drawn once, and these; all windows are on disk for a moment."""
        reading, maker = Reading(), AnswerExamples(tokenizer, self.options)
        asked: list[Question] = []
        windows = maker.windows(kept_in(asked, self.validation_records(as_question, reading)))
        validation = Making(windows, reading, maker.report, "questions")
        whole = folder / "valid-whole"
        tell_skipped(validation, write_examples(whole, validation.rows), tell)
        chosen = np.random.default_rng(VALIDATION_SEED).permutation(len(asked))[: self.data.validation_examples]
        examples = Examples.open(whole)
        numbers = examples.padded("question", np.arange(len(examples)), 0)[0].reshape(-1)
        place = np.full(len(asked), -1)
        place[chosen] = np.arange(len(chosen))
        rows = np.flatnonzero(place[numbers] >= 0)
        rows = rows[np.argsort(place[numbers[rows]], kind="stable")]
        with_place = ({**_row(examples, row), "question": [int(place[numbers[row]])]} for row in rows.tolist())
        write_examples(folder / "valid", with_place)
        shutil.rmtree(whole)
        lines = [json.dumps(_document(asked[number]), ensure_ascii=False) + "\n" for number in chosen.tolist()]
        write_whole(folder / ASKED, "".join(lines))
        return validation


@dataclass
class AnswerReport:
    """What became of the questions."""

    examples: int = 0
    """Windows."""
    without_answer: int = 0
    """Questions that the context does not answer."""
    long_contexts: int = 0
    """Contexts that took several windows."""
    answers_outside: int = 0
    """Windows that do not hold the answer, or not whole."""
    long_questions: int = 0
    """Questions longer than `question_tokens`: left out."""

    def told(self) -> str:
        """All of it in one sentence."""
        return (
            f"{self.examples:,} windows; {self.without_answer:,} questions have no answer, {self.long_contexts:,} "
            f"contexts took several windows, of which {self.answers_outside:,} do not hold the answer. "
            f"Left out: {self.long_questions:,} questions that are too long"
        )


class AnswerExamples:
    """Turns questions into windows over their contexts.

    Raises: OptionError if question and overlap leave a window no room.
    """

    def __init__(self, tokenizer: PreTrainedTokenizer, options: AnswerOptions) -> None:
        self.tokenizer = tokenizer
        self.room = options.source_tokens or tokenizer.model_max_length
        self.overlap = self.room // 4 if options.overlap_tokens is None else options.overlap_tokens
        self.longest_question = self.room // 2 if options.question_tokens is None else options.question_tokens
        self.report = AnswerReport()
        least = self.longest_question + SPECIAL_TOKENS + self.overlap + 1
        fault = f"`source_tokens` must be at least {least} for its questions and overlap, but is {self.room}."
        raise_all(OptionError, [fault] if self.room < least else [], options.subject)

    def windows(self, questions: Iterable[Question]) -> Iterator[dict[str, Row]]:
        """Rows of `source`, the ids; `span`, first and last token of the answer; `question`, the number of it.

        `starts` and `ends` are the characters of the context where each token begins and ends, -1 for all others.
        """
        for number, several in enumerate(chunks(questions, QUESTIONS_AT_ONCE)):
            lengths = list(
                map(len, encode(self.tokenizer, [one.question for one in several], add_special_tokens=False))
            )
            fitting = [place for place, length in enumerate(lengths) if length <= self.longest_question]
            self.report.long_questions += len(several) - len(fitting)
            if fitting:
                yield from self._windows([several[place] for place in fitting], fitting, number * QUESTIONS_AT_ONCE)

    def _windows(self, questions: Sequence[Question], places: Sequence[int], first: int) -> Iterator[dict[str, Row]]:
        asked, contexts = [one.question for one in questions], [one.context for one in questions]
        self.report.without_answer += sum(not one.answers for one in questions)
        divided = set()
        for window in windows_of(self.tokenizer, asked, contexts, self.room, self.overlap):
            question = questions[window.question]
            span = span_of(question, window.offsets)
            self.report.examples += 1
            self.report.answers_outside += bool(question.answers) and span == (0, 0)
            divided |= set() if window.is_first else {window.question}
            yield {
                "source": window.ids,
                "span": span,
                "question": [first + places[window.question]],
                "starts": window.offsets[:, 0],
                "ends": window.offsets[:, 1],
            }
        self.report.long_contexts += len(divided)


def span_of(question: Question, offsets: Ids) -> tuple[int, int]:
    """First and last token of the first answer; (0, 0) if there is none, or not whole in this window.

    Shapes: offsets (s, 2), characters of the context, -1 for what is none of it.
    """
    if not question.answers:
        return 0, 0
    answer = question.answers[0]
    start = answer.start + len(answer.text) - len(answer.text.lstrip())
    end = answer.start + len(answer.text.rstrip())
    inside = np.flatnonzero((offsets[:, 1] > offsets[:, 0]) & (offsets[:, 1] > start) & (offsets[:, 0] < end))
    if not inside.size or offsets[inside[0], 0] > start or offsets[inside[-1], 1] < end:
        return 0, 0
    return int(inside[0]), int(inside[-1])


def kept_in(kept: list[Question], questions: Iterable[Question]) -> Iterator[Question]:
    """The questions, each also appended to `kept`."""
    for question in questions:
        kept.append(question)
        yield question


def _row(examples: Examples, row: int) -> dict[str, Row]:
    return {name: examples.row(name, row) for name in examples.columns}


def _document(question: Question) -> dict[str, Any]:
    answers = [{"text": one.text, "answer_start": one.start} for one in question.answers]
    return {"id": question.name, "question": question.question, "context": question.context, "answers": answers}
