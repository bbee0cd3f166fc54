import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartleby.training.recipes.found import best_span

SCORES = st.lists(st.tuples(st.floats(-9, 9, width=16), st.floats(-9, 9, width=16)), min_size=3, max_size=12)


@given(SCORES, st.integers(1, 4))
def test_no_other_span_inside_scores_higher(scores: list[tuple[float, float]], longest: int) -> None:
    starts, ends = (np.array(column, dtype=np.float32) for column in zip(*scores, strict=True))
    inside = np.arange(1, len(scores) - 1)
    first, last, score = best_span(starts, ends, inside, longest)
    allowed = [(i, j) for i in inside for j in inside if i <= j < i + longest]
    assert (first, last) in allowed
    assert score == pytest.approx(starts[first] + ends[last])
    assert score == pytest.approx(max(starts[i] + ends[j] for i, j in allowed))
