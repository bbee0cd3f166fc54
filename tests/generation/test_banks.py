import numpy as np
import pytest

from bartleby.errors import VocabularyError
from bartleby.generation.banks import Follower, bank_order, check_steps, steps_of
from bartleby.generation.beams import Candidate
from bartleby.generation.constraints import DisjunctiveConstraint, PhrasalConstraint


def candidate(score: float, beam: int, token: int) -> Candidate:
    return Candidate(np.float32(score), beam, token)


def chosen(follower: Follower, beams: list[list[int]], *candidates: list[Candidate]) -> list[Candidate]:
    return follower.chosen(beams, [follower.state(ids) for ids in beams], *candidates)


def test_the_best_of_each_bank_comes_first_then_the_second_best() -> None:
    banks, scores = [0, 0, 2, 0, 1, 2], [-1, -2, -9, -3, -4, -5]
    assert bank_order(banks, scores) == [5, 4, 0, 2, 1, 3]


def test_what_is_a_hundred_worse_falls_behind_the_next_bank() -> None:
    assert bank_order([1, 0, 1], [-1.0, -2.0, -150.0]) == [0, 1, 2]  # bank 1 begins anew behind bank 0


def test_steps_are_what_each_beam_still_needs() -> None:
    follower = Follower([PhrasalConstraint([5, 6]), DisjunctiveConstraint([[7], [8, 9]])])
    states = [follower.state(ids) for ids in ([3, 4], [3, 5], [5, 6, 7])]
    assert steps_of(states) == [(0, 5), (0, 7), (0, 8), (1, 6)]
    assert follower.is_fulfilled([3, 5, 6, 4, 8, 9])
    assert not follower.is_fulfilled([5, 6, 8])


def test_a_beam_that_gets_on_stays_beside_a_likely_one() -> None:
    follower = Follower([PhrasalConstraint([5, 6])])
    likely = [candidate(-1, 0, 4), candidate(-2, 1, 4)]
    steps = [candidate(-30, 0, 5), candidate(-20, 1, 5)]
    assert chosen(follower, [[3], [4]], likely, steps) == [steps[1], likely[0]]


def test_what_is_likely_anyway_is_not_counted_twice() -> None:
    follower = Follower([PhrasalConstraint([5])])
    likely = [candidate(-1, 0, 5), candidate(-2, 1, 4)]
    assert chosen(follower, [[3], [4]], likely, [candidate(-1, 0, 5), candidate(-9, 1, 5)]) == [
        likely[0],
        likely[1],
    ]


def test_equal_outputs_of_several_beams_are_tried_once() -> None:
    follower = Follower([PhrasalConstraint([5, 6])])
    likely = [candidate(-1, 0, 4), candidate(-1, 0, 7), candidate(-1e9, 1, 4)]
    steps = [candidate(-3, 0, 5), candidate(-1e9, 1, 5), candidate(-1e9, 2, 5)]
    assert chosen(follower, [[3], [3], [3]], likely, steps) == [steps[0], likely[0], likely[1]]


def test_where_nothing_is_left_to_do_the_likely_ones_stay_as_they_are() -> None:
    follower = Follower([PhrasalConstraint([5])])
    likely = [candidate(-2, 0, 4), candidate(-1, 0, 7)]
    assert chosen(follower, [[5], [5]], likely, []) == likely


def test_constraints_outside_the_vocabulary_are_refused() -> None:
    check_steps([[(0, 11)], []], vocabulary=12)
    with pytest.raises(VocabularyError, match=r"\[12, 99\]"):
        check_steps([[(0, 99)], [(1, 12), (0, 99)]], vocabulary=12)
