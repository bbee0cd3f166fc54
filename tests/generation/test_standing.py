import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as shapes

from bartleby.generation.rules import log_softmax
from bartleby.generation.standing import LEADING, chances_of, leading, probabilities, rank


def scores_of(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


@given(shapes.arrays(np.float32, st.integers(1, 20), elements=st.floats(-50, 50, width=32)))
def test_probabilities_are_the_softmax(scores: np.ndarray) -> None:
    assert probabilities(scores).sum() == pytest.approx(1)
    assert probabilities(scores) == pytest.approx(np.exp(log_softmax(scores[None].astype(np.float64)))[0])


def test_what_is_no_number_has_no_chance() -> None:
    assert probabilities(scores_of(np.nan, 1, -np.inf)).tolist() == [0, 1, 0]
    assert probabilities(scores_of(np.inf, 1, np.inf)).tolist() == [0.5, 0, 0.5]
    assert probabilities(scores_of(-np.inf, -np.inf)).tolist() == [0, 0]


@given(shapes.arrays(np.float32, st.integers(1, 30), elements=st.floats(-20, 20, width=32)))
def test_the_likeliest_come_first(scores: np.ndarray) -> None:
    found = leading(scores)
    assert len(found) == min(LEADING, len(scores))
    assert [scores[candidate.token] for candidate in found] == sorted(scores, reverse=True)[: len(found)]


def test_of_equals_the_first_comes_first_and_the_impossible_never() -> None:
    assert [candidate.token for candidate in leading(scores_of(-np.inf, 2, 2, -np.inf))] == [1, 2]
    assert rank(scores_of(0, 2, 2, 1), 2) == 1
    assert rank(scores_of(0, 2, 2, 1), 3) == 3


def test_a_chance_compares_before_and_after() -> None:
    chance = chances_of([1], scores_of(0, 0, 0, 0), scores_of(-np.inf, 0, 0, -np.inf))[1]
    assert (chance.rank, chance.probability, chance.rank_left, chance.probability_left) == (1, 0.25, 1, 0.5)
