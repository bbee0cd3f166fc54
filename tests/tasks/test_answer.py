from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartleby.tasks.answer import BestSpans, best_span, windows_of
from bartleby.tokenization.blenderbot_small import BlenderbotSmallTokenizer
from bartleby.tokenization.byte_level import BartTokenizer, BartTokenizerFast

CONTEXT = "i have two cats and a dog. they like to play in the garden."
LONG = " ".join([CONTEXT] * 9)
QUESTION = "what do you have?"
SCORES = st.lists(st.tuples(st.floats(-9, 9, width=16), st.floats(-9, 9, width=16)), min_size=3, max_size=12)


@pytest.fixture(scope="module", params=[BartTokenizer, BartTokenizerFast, BlenderbotSmallTokenizer])
def tokenizer(request: pytest.FixtureRequest):
    return request.param().train_new_from_iterator([CONTEXT, QUESTION], 320)


def test_a_long_context_is_read_in_windows_that_overlap(tokenizer) -> None:
    windows = list(windows_of(tokenizer, [QUESTION, QUESTION], [CONTEXT, LONG], 48, 10))
    numbers, firsts = [window.question for window in windows], [window.is_first for window in windows]
    assert numbers == sorted(numbers)
    assert [number for number, is_first in zip(numbers, firsts, strict=True) if is_first] == [0, 1]
    assert numbers.count(1) > 2
    assert all(len(window.ids) == len(window.offsets) <= 48 for window in windows)
    of_long = [window.offsets for window in windows if window.question == 1]
    seen = [{tuple(place) for place in offsets.tolist() if place[0] >= 0} for offsets in of_long]
    assert all(len(one & other) >= 10 for one, other in pairwise(seen))
    read = {place for part in seen for start, end in part for place in range(start, end)}
    assert {*range(len(LONG))} - read <= {place for place, letter in enumerate(LONG) if letter == " "}


def test_only_tokens_of_the_context_have_offsets() -> None:
    tokenizer = BartTokenizer().train_new_from_iterator([CONTEXT, QUESTION], 320)
    [window] = windows_of(tokenizer, [QUESTION], ["a </s> dog"], 60, 5)
    inside = np.flatnonzero(window.offsets[:, 0] >= 0)
    assert (np.diff(inside) == 1).all()
    assert tokenizer.decode([window.ids[place] for place in inside]) == "a </s> dog"
    assert window.ids.count(tokenizer.eos_token_id) == 3  # two between question and context, one at the end


@given(SCORES, st.integers(1, 4))
def test_no_other_span_inside_scores_higher(scores: list[tuple[float, float]], longest: int) -> None:
    starts, ends = (np.array(column, dtype=np.float32) for column in zip(*scores, strict=True))
    inside = range(1, len(scores) - 1)
    offsets = np.array([(place - 1, place) if place in inside else (-1, -1) for place in range(len(scores))])
    text, score = best_span("abcdefghijkl", offsets, (starts, ends), longest)
    allowed = {(i, j): starts[i] + ends[j] for i in inside for j in inside if i <= j < i + longest}
    assert score == pytest.approx(max(allowed.values()))
    assert text in {"abcdefghijkl"[i - 1 : j] for (i, j), value in allowed.items() if value == max(allowed.values())}


def test_a_window_without_context_answers_nothing() -> None:
    assert best_span("abc", np.full((2, 2), -1), ([1.0, 2.0], [1.0, 2.0]), 3) == ("", -np.inf)


def test_the_best_window_of_each_context_answers() -> None:
    best = BestSpans(["a cat", "a dog"], longest=2)
    offsets = np.array([[-1, -1], [0, 1], [2, 5]])
    best.add(0, offsets, [0.0, 5.0, 1.0], [0.0, 1.0, 2.0])
    best.add(0, offsets, [0.0, 0.0, 6.0], [0.0, 0.0, 6.0])
    best.add(1, offsets, [4.0, 3.0, 1.0], [4.0, 1.0, 2.0])
    assert best.texts(may_be_none=False) == ["cat", "a dog"]
    assert best.texts(may_be_none=True) == ["cat", ""]


def test_there_is_no_answer_only_if_no_window_likes_one() -> None:
    best = BestSpans(["a cat"], longest=2)
    offsets = np.array([[-1, -1], [0, 5]])
    best.add(0, offsets, [9.0, 1.0], [9.0, 1.0])
    best.add(0, offsets, [1.0, 2.0], [0.0, 1.0])
    assert best.texts(may_be_none=True) == ["a cat"]
