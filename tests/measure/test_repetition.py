import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartleby.errors import DataError
from bartleby.measure.repetition import distinct, mean_length, repetition

TEXTS = st.lists(st.text(alphabet="ab ", max_size=12), min_size=1, max_size=6)


def test_distinct_is_over_all_texts_together() -> None:
    texts = ["i like cats", "i like dogs"]
    assert distinct(texts, 1) == pytest.approx(4 / 6)
    assert distinct(texts, 2) == pytest.approx(3 / 4)  # "i like" came twice
    assert math.isnan(distinct(["hi"], 2))


def test_repetition_is_within_each_text() -> None:
    assert repetition(["i like cats", "i like cats"]) == 0.0
    assert repetition(["so so so so"]) == pytest.approx(2 / 3)
    assert repetition(["so so so so", "fine"]) == pytest.approx(1 / 3)
    assert repetition(["so so so so"], 3) == pytest.approx(1 / 2)


@given(TEXTS, st.integers(1, 3))
def test_saying_it_all_twice_halves_distinct_and_leaves_repetition(texts: list[str], size: int) -> None:
    once = distinct(texts, size)
    if not math.isnan(once):
        assert distinct(texts * 2, size) == pytest.approx(once / 2)
    assert repetition(texts * 2, size) == pytest.approx(repetition(texts, size))


def test_length_is_in_words_and_marks() -> None:
    assert mean_length(["I don't know.", ""]) == 2.0


@pytest.mark.parametrize("wrong", [[], "one text"])
def test_a_figure_needs_a_list_of_texts(wrong) -> None:
    for figure in (mean_length, repetition, lambda texts: distinct(texts, 1)):
        with pytest.raises(DataError, match="list of at least one text"):
            figure(wrong)
    with pytest.raises(DataError, match="`size` must be at least 1"):
        distinct(["a"], 0)
