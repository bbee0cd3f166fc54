import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartleby.family.activations import ACTIVATIONS, erf, sigmoid


@given(st.floats(-1e6, 1e6))
def test_erf_is_the_standard_librarys(x: float) -> None:
    assert erf(np.array([x]))[0] == pytest.approx(math.erf(x), abs=1e-14)
    assert erf(np.array([x], dtype=np.float32))[0] == pytest.approx(math.erf(np.float32(x)), abs=5e-7)


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_sigmoid_never_overflows_and_mirrors(x: float) -> None:
    value = np.array([x], dtype=np.float64)
    assert sigmoid(value)[0] + sigmoid(-value)[0] == pytest.approx(1)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_every_activation_keeps_shape_and_dtype(name: str) -> None:
    x = np.linspace(-4, 4, 6, dtype=np.float32).reshape(2, 3)
    assert ACTIVATIONS[name](x).shape == (2, 3)
    assert ACTIVATIONS[name](x).dtype == np.float32


@pytest.mark.parametrize(
    ("name", "value"),  # at x = 1, from the formulas of the papers
    [("gelu", 0.841344746), ("gelu_new", 0.841191990), ("silu", 0.731058579), ("mish", 0.865098388), ("relu6", 1.0)],
)
def test_known_values(name: str, value: float) -> None:
    assert ACTIVATIONS[name](np.array([1.0]))[0] == pytest.approx(value, abs=1e-8)
