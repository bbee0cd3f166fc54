import inspect

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason='the TensorFlow wing is not installed: pip install "bartleby[tensorflow]"')

from bartleby.backends.keras.decoding.arrays import StepByStep, TensorFlowArrays
from bartleby.generation.compiled.arrays import Arrays
from tests.generation.compiled.numpy_arrays import NumpyArrays
from tests.generation.compiled.operations import CALLS, FINITE


@pytest.mark.parametrize(("name", "arguments"), CALLS, ids=[name for name, _ in CALLS])
def test_an_operation_is_numpys(name: str, arguments: tuple) -> None:
    found = np.asarray(getattr(TensorFlowArrays(), name)(*arguments))
    expected = np.asarray(getattr(NumpyArrays(), name)(*arguments))
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_the_largest_come_first_and_of_equals_the_earlier() -> None:
    for found, expected in zip(TensorFlowArrays().top_k(FINITE, 3), NumpyArrays().top_k(FINITE, 3), strict=True):
        assert np.asarray(found).tolist() == expected.tolist()


def test_every_operation_is_tried() -> None:
    names = {name for name, _ in inspect.getmembers(Arrays, inspect.isfunction) if not name.startswith("_")}
    assert names == {name for name, _ in CALLS} | {"shape", "top_k", "while_loop"}


@pytest.mark.parametrize("xp", [TensorFlowArrays(), StepByStep()])
def test_loops_go_on_as_long_as_they_are_told(xp: TensorFlowArrays) -> None:
    start = (xp.cast(1, "int32"), xp.full((2,), 1.0, "float32"))
    count, values = xp.while_loop(lambda state: state[0] < 5, lambda state: (state[0] + 1, state[1] * 2), start)
    assert (int(count), np.asarray(values).tolist()) == (5, [16, 16])
