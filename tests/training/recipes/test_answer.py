import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bartleby.errors import OptionError
from bartleby.tokenization.base import PreTrainedTokenizer
from bartleby.tokenization.byte_level import BartTokenizer
from bartleby.training.recipes.answer import AnswerExamples, AnswerOptions, AnswerRecipe, span_of
from bartleby.training.records import Answer, Question
from tests.training.recipes.overfitting import EXAMPLES, learnt_by_heart, measures, prepared, tiny_recipe

WORDS = ("cat", "dog", "sun", "sea", "red", "sky", "ink", "pen")
PLACES = ("at home", "in town", "by night", "on foot", "at sea", "in bed", "by day", "on top")


def asked(which: str, place: str, impossible: bool = False) -> dict[str, Any]:
    context = f"The {which} came {place} and left."
    answers = [] if impossible else [{"text": place, "answer_start": context.index(place)}]
    return {"question": "When did it come?" if impossible else "Where?", "context": context, "answers": answers}


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizer:
    texts = [
        text for word, place in zip(WORDS, PLACES, strict=True) for text in asked(word, place)["context"].split(".")
    ]
    return BartTokenizer().train_new_from_iterator([*texts, "Where? When did it come?"], 350)


def windows_of(tokenizer: PreTrainedTokenizer, *questions: Question, **options: Any) -> list[dict[str, Any]]:
    return list(AnswerExamples(tokenizer, AnswerOptions(**options)).windows(questions))


def told_by(tokenizer: PreTrainedTokenizer, row: dict[str, Any], context: str) -> str:
    start, end = row["span"]
    return context[row["starts"][start] : row["ends"][end]] if start else ""


@pytest.mark.parametrize("impossible", [False, True])
def test_sixty_four_answers_are_learnt_by_heart(tmp_path: Path, impossible: bool) -> None:
    records = [asked(word, place, impossible and word in WORDS[:3]) for word in WORDS for place in PLACES]
    for split in ("train", "valid"):
        text = "".join(json.dumps(record) + "\n" for record in records)
        (tmp_path / f"{split}.jsonl").write_text(text, encoding="utf-8")
    recipe = tiny_recipe(AnswerRecipe, tmp_path)
    setup, figures, told = prepared(recipe, tmp_path / "run")
    assert (figures["examples"], figures["without_answer"]) == (EXAMPLES, 24 if impossible else 0)
    assert told[-1].startswith("64 questions gave 64 windows")
    assert learnt_by_heart(setup, 120) < 0.02
    found = setup.measure(None)
    assert (found["exact_match"], found["f1"]) == (1, 1)
    assert found["loss"] < 0.02
    assert measures(recipe, found)
    assert (found["examples"], found["windows"]) == (EXAMPLES, EXAMPLES)


def test_long_contexts_are_read_in_windows_that_overlap(tokenizer: PreTrainedTokenizer) -> None:
    filler = "The cat came at home and left. " * 6
    context = f"{filler}The dog came in town and left. {filler}"
    question = Question(context, "Where?", (Answer("in town", context.index("in town")),))
    rows = windows_of(tokenizer, question, source_tokens=40, overlap_tokens=12)
    assert len(rows) > 3
    answered = [row for row in rows if row["span"] != (0, 0)]
    assert answered
    assert {told_by(tokenizer, row, context).strip() for row in answered} == {"in town"}
    places = [[start for start in row["starts"].tolist() if start >= 0] for row in rows]
    assert all(earlier[-12:] == later[:12] for earlier, later in pairwise(places))
    assert places[0][0] == 0
    assert rows[-1]["ends"].max() == len(context)


def test_an_answer_that_a_window_cuts_is_none_there(tokenizer: PreTrainedTokenizer) -> None:
    context = "The dog came in town and left."
    question = Question(context, "Where?", (Answer("in town and", context.index("in town and")),))
    [row] = windows_of(tokenizer, question, source_tokens=60)
    offsets = np.stack([row["starts"], row["ends"]], axis=1)
    start, end = span_of(question, offsets)
    assert context[offsets[start, 0] : offsets[end, 1]] == "in town and"
    assert span_of(question, offsets[:end]) == (0, 0)
    gone = offsets.copy()
    gone[: start + 1] = -1
    assert span_of(question, gone) == (0, 0)


def test_spaces_around_an_answer_belong_to_no_token(tokenizer: PreTrainedTokenizer) -> None:
    context = "The dog came in town and left."
    question = Question(context, "Where?", (Answer(" in town ", context.index(" in town ")),))
    [row] = windows_of(tokenizer, question, source_tokens=60)
    assert told_by(tokenizer, row, context) == "in town"


def test_what_looks_like_an_end_in_a_context_is_text(tokenizer: PreTrainedTokenizer) -> None:
    context = "The </s> dog came in town."
    [row] = windows_of(tokenizer, Question(context, "Where </s>?", (Answer("in town", 18),)), source_tokens=100)
    assert list(row["source"]).count(tokenizer.eos_token_id) == 3
    assert told_by(tokenizer, row, context) == "in town"


def test_long_questions_are_left_out_and_counted(tokenizer: PreTrainedTokenizer) -> None:
    maker = AnswerExamples(tokenizer, AnswerOptions(source_tokens=40, question_tokens=6))
    short, long = Question("The dog.", "Where?"), Question("The dog.", "Where? " * 10)
    assert [row["question"] for row in maker.windows([long, short])] == [[1]]
    assert (maker.report.long_questions, maker.report.examples) == (1, 1)
    assert "Left out: 1 questions" in maker.report.told()


def test_a_window_must_have_room_for_more_than_it_shares(tokenizer: PreTrainedTokenizer) -> None:
    with pytest.raises(OptionError, match="`source_tokens` must be at least 55 for its questions and overlap"):
        AnswerExamples(tokenizer, AnswerOptions(source_tokens=40, overlap_tokens=30))


def test_a_sample_of_questions_keeps_all_their_windows(tmp_path: Path) -> None:
    long = asked("dog", "in town")
    long["context"] += " The cat came at home and left." * 12
    records = [asked("cat", "at home"), long, asked("sun", "by day"), long, asked("sea", "on top", impossible=True)]
    for split in ("train", "valid"):
        text = "".join(json.dumps({**record, "id": str(n)}) + "\n" for n, record in enumerate(records))
        (tmp_path / f"{split}.jsonl").write_text(text, encoding="utf-8")
    options = {"source_tokens": 48, "validation_examples": 3}
    setup, figures, _ = prepared(tiny_recipe(AnswerRecipe, tmp_path, **options), tmp_path / "run")
    measure: Any = setup.measure
    assert figures["long_contexts"] == 2
    assert len(measure.questions) == 3
    for number, question in enumerate(measure.questions):
        rows = [
            row
            for row in range(len(measure.windows.examples))
            if measure.windows.examples.row("question", row) == number
        ]
        alone = windows_of(setup.tokenizer, question, source_tokens=48)
        found = [measure.windows.examples.row("source", row).tolist() for row in rows]
        assert found == [list(window["source"]) for window in alone]
    assert setup.measure(2) == setup.measure(2)
    assert setup.measure(None)["windows"] == len(measure.windows.examples)
