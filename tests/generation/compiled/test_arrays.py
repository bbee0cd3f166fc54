import inspect

from bartleby.generation.compiled.arrays import Arrays
from tests.generation.compiled.numpy_arrays import NumpyArrays


def test_every_operation_is_bound() -> None:
    names = [name for name, _ in inspect.getmembers(Arrays, inspect.isfunction) if not name.startswith("_")]
    assert len(names) > 25
    assert [name for name in names if not callable(getattr(NumpyArrays(), name, None))] == []
