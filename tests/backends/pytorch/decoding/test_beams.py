import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch.decoding.beams import largest  # noqa: E402


@given(st.integers(1, 3), st.integers(1, 40), st.integers(20, 9000), st.integers(0, 10**6))
def test_the_largest_are_those_of_a_full_sort(rows: int, count: int, width: int, seed: int) -> None:
    count = min(count, width)
    values = torch.from_numpy(np.random.default_rng(seed).permutation(rows * width).astype(np.float32)).view(rows, -1)
    values[values < width / 2] = -np.inf
    found, places = largest(values, count)
    expected = values.topk(count)
    assert torch.equal(found, expected.values)
    possible = found > -np.inf
    assert torch.equal(places[possible], expected.indices[possible])
    assert int(places.max()) < width
