import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartleby.generation.beams import BeamOptions, Beams, Candidate, Hypothesis, advance, find_candidates, is_settled
from bartleby.generation.config import GenerationConfig

EOS = 2


def beam_options(max_length: int = 10, **options) -> BeamOptions:
    return BeamOptions.of(GenerationConfig(**{"num_beams": 2, "eos_token_id": EOS} | options), 1, max_length)


def state(ids: list[list[int]], scores: list[float], finished: tuple[float, ...] = ()) -> Beams:
    hypotheses = [Hypothesis((4, EOS), score, "eos") for score in finished]
    return Beams(np.array(ids), np.array(scores, dtype=np.float32), hypotheses)


def candidate(score: float, beam: int, token: int) -> Candidate:
    return Candidate(np.float32(score), beam, token)


def test_candidates_are_the_best_over_all_beams_and_equals_keep_their_order() -> None:
    totals = np.array([[-3, -1, -np.inf], [-1, -2, -5]], dtype=np.float32)
    assert find_candidates(totals, 4) == [(-1, 0, 1), (-1, 1, 0), (-2, 1, 1), (-3, 0, 0)]


def test_what_is_impossible_is_no_candidate() -> None:
    totals = np.full((2, 3), -np.inf, dtype=np.float32)
    assert find_candidates(totals, 4) == []
    assert find_candidates(totals, 4, np.random.default_rng(0)) == []


def test_drawn_candidates_are_distinct_and_as_likely_as_they_should_be() -> None:
    probabilities = np.array([0.5, 0.3, 0.2])
    totals = np.log(probabilities, dtype=np.float32)[None]
    rng = np.random.default_rng(0)
    draws = [find_candidates(totals, 1, rng)[0].token for _ in range(4000)]
    assert np.bincount(draws) / len(draws) == pytest.approx(probabilities, abs=0.03)
    pairs = [tuple(found.token for found in find_candidates(totals, 2, rng)) for _ in range(4000)]
    assert all(one != other for one, other in pairs)
    assert np.bincount([one for one, _ in pairs]) / len(pairs) == pytest.approx(probabilities, abs=0.03)  # as drawn


def test_of_drawn_candidates_ends_count_as_drawn_and_beams_are_the_best() -> None:
    beams = state([[3, 5], [3, 6]], [-1, -2])
    found = [candidate(-3, 1, 9), candidate(-2, 0, EOS), candidate(-1.5, 1, EOS), candidate(-2.5, 0, 8)]
    assert advance(beams, found, beam_options()) == [found[3], found[0]]
    assert [one.score for one in beams.finished] == [-2 / 2]


def test_ends_become_hypotheses_and_the_best_of_the_rest_become_beams() -> None:
    beams = state([[3, 5], [3, 6]], [-1, -2])
    found = [candidate(-1.5, 0, EOS), candidate(-2, 1, 7), candidate(-2.5, 0, 8), candidate(-3, 1, 9)]
    assert advance(beams, found, beam_options()) == [found[1], found[2]]
    assert beams.ids.tolist() == [[3, 6, 7], [3, 5, 8]]
    assert beams.scores.tolist() == [-2, -2.5]
    assert beams.finished == [Hypothesis((5, EOS), -0.75, "eos")]


def test_an_end_behind_the_best_n_is_forgotten() -> None:
    beams = state([[3, 5], [3, 6]], [-1, -2])
    advance(beams, [candidate(-1, 0, 7), candidate(-2, 0, 8), candidate(-3, 1, EOS)], beam_options())
    assert beams.finished == []


def test_a_full_output_ends_without_an_end_token() -> None:
    beams = state([[3, 5], [3, 6]], [-1, -2])
    advance(beams, [candidate(-1, 0, EOS), candidate(-2, 1, 8), candidate(-3, 1, 9)], beam_options(max_length=3))
    assert [(one.ids, one.finish_reason) for one in beams.finished] == [((5, EOS), "eos"), ((6, 8), "length")]
    assert len(beams.scores) == 0


def test_beams_that_cannot_go_on_are_kept_as_blocked() -> None:
    beams = state([[3, 5]], [-1])
    advance(beams, [], beam_options())
    assert beams.finished == [Hypothesis((5,), -1, "blocked")]
    assert is_settled(beams, beam_options())


@given(st.floats(-10, 10), st.integers(1, 9), st.floats(-50, 0, width=32))
def test_the_score_is_divided_by_the_written_length_to_the_penalty(penalty: float, length: int, score: float) -> None:
    beams = state([[3] * length], [0])
    advance(beams, [candidate(score, 0, EOS)], beam_options(length_penalty=penalty))
    assert beams.finished[0].score == pytest.approx(score / length**penalty, rel=1e-5, abs=1e-30)


def test_only_the_best_n_hypotheses_are_kept() -> None:
    beams = state([[3, 5]], [0], finished=(-0.5, -2.0))
    advance(beams, [candidate(-2, 0, EOS), candidate(-3, 0, 7)], beam_options())
    assert [one.score for one in beams.finished] == [-0.5, -1.0]


@pytest.mark.parametrize(
    ("early_stopping", "length_penalty", "best", "is_done"),
    [
        (True, 1.0, -0.1, True),  # n hypotheses are enough
        (False, 1.0, -1.9, False),  # -1.9 / 2 beats -1
        (False, 1.0, -2.1, True),
        ("never", 1.0, -2.1, False),  # at its longest, -2.1 / 9 would beat -1
        ("never", 1.0, -9.1, True),
        ("never", 0.0, -1.1, True),  # without a reward for length it can only fall
    ],
)
def test_when_to_stop(early_stopping: bool | str, length_penalty: float, best: float, is_done: bool) -> None:
    options = beam_options(early_stopping=early_stopping, length_penalty=length_penalty)
    beams = state([[3, 5, 6], [3, 5, 7]], [best, best - 1], finished=(-0.5, -1.0))
    assert is_settled(beams, options) is is_done


@pytest.mark.parametrize("early_stopping", [True, False, "never"])
def test_fewer_hypotheses_than_beams_are_never_enough(early_stopping: bool | str) -> None:
    beams = state([[3, 5]], [-100], finished=(-0.5,))
    assert not is_settled(beams, beam_options(early_stopping=early_stopping))


def test_there_are_candidates_enough_for_every_end_token() -> None:
    assert [beam_options(eos_token_id=eos).candidates for eos in (None, 2, [2, 4, 5])] == [4, 4, 8]
