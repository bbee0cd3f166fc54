import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartleby.generation import cuts as definition
from bartleby.generation import scores as plain

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch.decoding import cuts  # noqa: E402  after the skip

Rows = st.lists(st.lists(st.floats(-50, 50, width=32), min_size=5, max_size=5), min_size=1, max_size=3)


@given(Rows)
@pytest.mark.parametrize("name", ["log_softmax", "entropy", "surprise"])
def test_the_arithmetic_is_that_of_the_definition(name: str, rows: list[list[float]]) -> None:
    scores = np.array([*rows, [-np.inf, 1, 2, 3, 4]], dtype=np.float32)
    if name != "log_softmax":
        scores = plain.log_softmax(scores)
    found = getattr(cuts, name)(torch.from_numpy(scores.copy()))
    np.testing.assert_allclose(found.numpy(), getattr(plain, name)(scores), rtol=1e-5, atol=1e-6)


@given(Rows, st.integers(1, 9))
def test_the_nth_best_is_that_of_the_definition(rows: list[list[float]], count: int) -> None:
    scores = np.array(rows, dtype=np.float32)
    found = cuts.nth_best(torch.from_numpy(scores.copy()), count)
    assert (found.numpy() == definition.nth_best(scores, count)).all()


def test_rows_with_nothing_possible_stay_impossible() -> None:
    scores = torch.full((1, 4), cuts.IMPOSSIBLE)
    assert torch.equal(cuts.log_softmax(scores), scores)


def test_every_cut_has_a_translation() -> None:
    assert tuple(cuts.TRANSLATIONS) == definition.CUTS
