from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bartleby.checkpoints.containers import open_weights
from bartleby.checkpoints.msgpack_file import read_msgpack
from bartleby.checkpoints.tensors import StoredTensor
from bartleby.errors import CheckpointError
from tests.checkpoints.files import mapped

msgpack = pytest.importorskip("msgpack", reason="files are made by another library: pip install msgpack")

NUMBERS = np.arange(6, dtype=np.float32).reshape(2, 3)


def array(value: Any, code: int = 1, name: str = "") -> Any:
    """A leaf as flax.serialization packs it."""
    value = np.asarray(value)
    inside = (value.shape, name or value.dtype.name, value.tobytes())
    return msgpack.ExtType(code, msgpack.packb(inside, use_bin_type=True))


def numbered(values: Any) -> dict[str, Any]:
    return {str(place): value for place, value in enumerate(values)}


def chunked(shape: Any, *chunks: Any) -> dict[str, Any]:
    return {"__msgpack_chunked_array__": True, "shape": numbered(shape), "chunks": numbered(chunks)}


def read(tmp_path: Path, content: Any) -> dict[str, StoredTensor]:
    packed = content if isinstance(content, bytes) else msgpack.packb(content)
    return {tensor.name: tensor for tensor in read_msgpack(mapped(tmp_path / "flax_model.msgpack", packed))}


def test_arrays_are_found_under_their_paths(tmp_path: Path) -> None:
    tree = {"model": {"shared": {"embedding": array(NUMBERS)}}, "final_logits_bias": array(NUMBERS[:1])}
    tensors = read(tmp_path, tree)
    assert list(tensors) == ["model/shared/embedding", "final_logits_bias"]
    assert np.array_equal(tensors["model/shared/embedding"].raw(), NUMBERS)
    assert tensors["model/shared/embedding"].raw().flags.writeable


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "int64", "int8", "uint32", "bool"])
def test_types_are_kept(tmp_path: Path, dtype: str) -> None:
    tensor = read(tmp_path, {"a": array(NUMBERS.astype(dtype))})["a"]
    assert tensor.dtype == dtype
    assert np.array_equal(tensor.raw(), NUMBERS.astype(dtype))


def test_bfloat16_is_widened_exactly(tmp_path: Path) -> None:
    bits = (NUMBERS.view(np.uint32) >> 16).astype(np.uint16)
    tensor = read(tmp_path, {"a": array(bits, name="bfloat16")})["a"]
    assert tensor.dtype == "bfloat16"
    assert np.array_equal(tensor.array(), NUMBERS)


def test_numbers_and_empty_arrays_are_arrays(tmp_path: Path) -> None:
    tensors = read(tmp_path, {"step": array(3, code=3), "none": array(np.zeros((0, 4)))})
    assert int(tensors["step"].raw()) == 3
    assert tensors["none"].raw().shape == (0, 4)


def test_large_arrays_come_in_chunks(tmp_path: Path) -> None:
    flat = NUMBERS.reshape(-1)
    tensor = read(tmp_path, {"a": chunked((2, 3), array(flat[:4]), array(flat[4:]))})["a"]
    assert np.array_equal(tensor.raw(), NUMBERS)


def test_a_file_is_known_by_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(msgpack.packb({"lm_head": {"kernel": array(NUMBERS)}}))
    with open_weights(tmp_path / "weights") as stored:
        assert np.array_equal(stored.raw("lm_head.weight"), NUMBERS.T)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([1, 2], "not one map from names to arrays"),
        (b"\x80" + b"\x80", "not one map"),
        ({"a": 3}, "`a` is a int, not an array"),
        ({"a": "text"}, "`a` is a str"),
        ({"a": None}, "`a` is a NoneType"),
        ({"a": 1.5}, "a value of kind 0xcb"),
        ({"a": -1}, "a value of kind 0xff"),
        ({"a": b"bytes"}, "a value of kind 0xc4"),
        ({1: array(NUMBERS)}, "a name that is no text"),
        (b"\x82\xa1a\xc0\xa1a\xc0", "occurs twice"),
        ({"a": array(NUMBERS, code=2)}, "an extension of code 2"),
        ({"a": msgpack.ExtType(1, b"")}, "makes no sense|no array|cut short"),
        ({"a": array(NUMBERS, name="complex256")}, "an array of type 'complex256'"),
        ({"a": array(NUMBERS, name="float64")}, r"an array of shape \(2, 3\) in 24 bytes"),
        ({"a": chunked((2, 4), array(NUMBERS))}, r"chunks that do not fill its shape \(2, 4\)"),
        ({"a": chunked((2, 3))}, "chunks that are no arrays"),
        ({"a": chunked((2, 3), 5)}, "chunks that are no arrays"),
        ({"a": chunked((3,), array(NUMBERS[0, :1]), array(np.ones(2)))}, "chunks that are no arrays of one type"),
        ({"a": {"__msgpack_chunked_array__": True}}, "without a shape or chunks"),
        ({"a": {"__msgpack_chunked_array__": True, "shape": {"1": 3}}}, "without a shape or chunks"),
        (b"\x81\xa1a\xc7\xff\x01", "cut short|no array"),
        (b"\x81\xd9\xff", "cut short"),
        (b"\xdf\xff\xff\xff\xff", "cut short"),
        (b"\x91" * 500, "values, or 24 in each other"),
        (b"\x81\xa1\xff\xc0", "is damaged"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git-LFS pointer"),
    ],
)
def test_what_is_no_file_of_weights_is_refused(tmp_path: Path, content: Any, said: str) -> None:
    with pytest.raises(CheckpointError, match=said):
        read(tmp_path, content)


def test_a_list_longer_than_the_file_costs_nothing(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cut short"):
        read(tmp_path, b"\x81\xa1a\xdd\xff\xff\xff\xff" + b"\xc0" * 1000)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=80)
@given(st.binary(max_size=20), st.integers(0, 200), st.integers(0, 20))
def test_damage_anywhere_is_noticed_or_harmless(tmp_path: Path, patch: bytes, start: int, removed: int) -> None:
    tree = {"model": {"a": array(NUMBERS), "b": chunked((6,), array(NUMBERS[0]), array(NUMBERS[1]))}}
    intact = msgpack.packb(tree)
    content = intact[:start] + patch + intact[start + removed :]
    try:
        sizes = [tensor.array().nbytes for tensor in read(tmp_path, content or b"\0").values()]
    except CheckpointError:
        return
    assert sum(sizes) <= len(content)
