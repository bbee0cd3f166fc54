from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartleby.training.schedules import SCHEDULES, share_at


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_rate_rises_then_never_rises_again(schedule: str) -> None:
    shares = [share_at(schedule, step, 100, warmup_steps=10, final_share=0.02) for step in range(101)]
    assert shares[:10] == pytest.approx([step / 10 for step in range(1, 11)])
    assert all(earlier >= later for earlier, later in pairwise(shares[10:]))


@pytest.mark.parametrize(
    ("schedule", "half_way", "end"),
    [("cosine", 0.51, 0.02), ("linear", 0.51, 0.02), ("constant", 1, 1), ("inverse_sqrt", (10 / 56) ** 0.5, 0.3147)],
)
def test_each_falls_in_its_own_way(schedule: str, half_way: float, end: float) -> None:
    assert share_at(schedule, 55, 100, warmup_steps=10, final_share=0.02) == pytest.approx(half_way)
    assert share_at(schedule, 100, 100, warmup_steps=10, final_share=0.02) == pytest.approx(end, rel=1e-3)


@given(st.sampled_from(SCHEDULES), st.integers(0, 999), st.integers(1, 999), st.integers(0, 99), st.floats(0, 1))
def test_no_step_learns_faster_than_the_highest_rate_or_not_at_all(
    schedule: str, step: int, steps: int, warmup_steps: int, final_share: float
) -> None:
    share = share_at(schedule, step, steps, warmup_steps, final_share)
    assert 0 <= share <= 1
    assert share > 0 or (final_share == 0 and step >= steps)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_without_a_rise_the_first_step_is_a_full_one(schedule: str) -> None:
    assert share_at(schedule, 0, 10, warmup_steps=0, final_share=0.0) == 1.0
