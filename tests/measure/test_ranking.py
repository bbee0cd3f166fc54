import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartleby.errors import DataError
from bartleby.measure.ranking import CANDIDATES, CandidatePool, hits_at_1

REPLIES = [f"reply {number}" for number in range(40)]


@given(st.sampled_from(REPLIES), st.integers(0, 9), st.integers(0, 99))
def test_the_true_reply_is_first_and_no_other_is_like_it(reply: str, seed: int, number: int) -> None:
    drawn = CandidatePool(REPLIES).draw(reply, seed, number)
    assert drawn[0] == reply
    assert len(set(drawn)) == len(drawn) == CANDIDATES
    assert set(drawn) <= set(REPLIES)


def test_a_draw_hangs_on_seed_and_number_and_on_nothing_else() -> None:
    pool, other = CandidatePool(REPLIES), CandidatePool(REPLIES[::-1] * 2)
    assert pool.draw("reply 3", 1, 7) == other.draw("reply 3", 1, 7)
    assert len({tuple(pool.draw("reply 3", seed, number)) for seed in (1, 2) for number in (7, 8)}) == 4


def test_white_space_makes_no_other_reply() -> None:
    pool = CandidatePool([f"{text} " for text in REPLIES[:20]] + REPLIES[:20])
    for number in range(20):
        assert sorted(pool.draw("reply 3\n", 0, number)) == sorted(REPLIES[:20])


def test_every_other_reply_is_drawn_about_as_often() -> None:
    pool, counts = CandidatePool(REPLIES), dict.fromkeys(REPLIES, 0)
    for number in range(2000):
        for text in pool.draw("reply 0", 0, number)[1:]:
            counts[text] += 1
    assert counts.pop("reply 0") == 0
    assert max(abs(count - 2000 * 19 / 39) for count in counts.values()) < 120  # five standard deviations


def test_too_few_replies_are_refused() -> None:
    with pytest.raises(DataError, match="among 20 replies needs as many different ones, but the file has 2"):
        CandidatePool(["a", "b"] * 30)


def test_a_hit_is_above_all_others_and_a_tie_misses() -> None:
    assert hits_at_1([[-1.0, -2.0, -3.0], [-1.0, -1.0, -3.0], [-2.0, -1.0, -3.0], [-0.5, -np.inf, -9.0]]) == 0.5
    assert hits_at_1(np.zeros((4, 20))) == 0.0


@pytest.mark.parametrize("wrong", [[], [[1.0]], [1.0, 2.0], [[1.0, float("nan")]]])
def test_scores_that_cannot_be_ranked_are_refused(wrong) -> None:
    with pytest.raises(DataError, match="Scores must be"):
        hits_at_1(wrong)
