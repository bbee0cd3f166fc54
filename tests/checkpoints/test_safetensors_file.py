import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from safetensors.numpy import load as load_with_library
from safetensors.numpy import save as save_with_library

from bartleby.checkpoints.safetensors_file import read_safetensors, write_safetensors, written_by
from bartleby.checkpoints.tensors import DTYPES, MappedFile, StoredTensor, held
from bartleby.errors import CheckpointError
from tests.checkpoints.files import mapped, safetensors_bytes

WHOLE = {"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}

same_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
tables = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8).filter(lambda name: name != "__metadata__"),
    st.sampled_from([name for name in DTYPES if name not in ("bfloat16", "complex128")]).flatmap(
        lambda dtype: arrays.arrays(DTYPES[dtype], arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
    ),
    max_size=6,
)


def written(tensors: dict[str, StoredTensor]) -> bytes:
    buffer = io.BytesIO()
    write_safetensors(buffer, tensors)
    return buffer.getvalue()


@same_folder
@given(tables)
def test_what_is_written_reads_back(tmp_path: Path, table: dict[str, Any]) -> None:
    file = mapped(tmp_path / "model.safetensors", written({name: held(array) for name, array in table.items()}))
    tensors = read_safetensors(file)
    assert set(tensors) == set(table)
    for name, array in table.items():
        got = tensors[name].raw()
        assert (got.dtype, got.shape, got.tobytes()) == (array.dtype, array.shape, array.tobytes())
        assert got.flags.aligned
        assert got.flags.writeable


@same_folder
@given(tables)
def test_the_safetensors_library_agrees_in_both_directions(tmp_path: Path, table: dict[str, Any]) -> None:
    theirs = load_with_library(written({name: held(array) for name, array in table.items()}))
    assert {name: array.tobytes() for name, array in theirs.items()} == {n: a.tobytes() for n, a in table.items()}
    content = save_with_library({name: np.ascontiguousarray(array) for name, array in table.items() if array.ndim})
    ours = read_safetensors(mapped(tmp_path / "model.safetensors", content))
    assert {name: tensor.raw().tobytes() for name, tensor in ours.items()} == {
        name: array.tobytes() for name, array in table.items() if array.ndim
    }


def test_bfloat16_travels_as_its_bits(tmp_path: Path) -> None:
    bits = np.array([0x3F80, 0x4000], np.uint16)
    content = written({"x": StoredTensor("x", (2,), "bfloat16", lambda: bits, place=None)})
    assert b'"dtype":"BF16"' in content
    tensor = read_safetensors(mapped(tmp_path / "model.safetensors", content))["x"]
    assert tensor.dtype == "bfloat16"
    assert tensor.raw().tolist() == bits.tolist()
    assert tensor.array().tolist() == [1.0, 2.0]


def test_arrays_that_do_not_lie_in_order_are_written_in_order(tmp_path: Path) -> None:
    array = np.arange(6.0).reshape(2, 3).T
    tensors = read_safetensors(mapped(tmp_path / "model.safetensors", written({"x": held(array)})))
    assert np.array_equal(tensors["x"].raw(), array)


def test_the_file_says_it_is_for_pytorch() -> None:
    content = written({})
    assert json.loads(content[8:])["__metadata__"] == {"format": "pt"}


@pytest.mark.parametrize(
    ("metadata", "said"), [({"format": "flax"}, "flax"), ({"format": 3}, ""), ({}, ""), ("flax", ""), (None, "")]
)
def test_a_file_may_say_who_wrote_it(tmp_path: Path, metadata: Any, said: str) -> None:
    header = json.dumps({} if metadata is None else {"__metadata__": metadata}).encode()
    (tmp_path / "a.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    assert written_by(MappedFile(tmp_path / "a.safetensors")) == said


def test_reading_the_header_reads_no_tensor(tmp_path: Path) -> None:
    file = mapped(tmp_path / "model.safetensors", written({"x": held(np.ones(3, np.float32))}))
    tensor = read_safetensors(file)["x"]
    file.close()
    with pytest.raises(CheckpointError, match="was closed"):
        tensor.raw()


def test_a_tensor_that_starts_at_an_odd_byte_is_still_read(tmp_path: Path) -> None:
    header = json.dumps(WHOLE).encode()
    header += b" " * (len(header) % 2)
    content = safetensors_bytes(header + b" ", np.array([1.5, 2.5], np.float32).tobytes())
    got = read_safetensors(mapped(tmp_path / "model.safetensors", content))["x"].raw()
    assert got.tolist() == [1.5, 2.5]
    assert got.flags.aligned


def entry(**changes: Any) -> dict[str, Any]:
    return {"x": WHOLE["x"] | changes}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"abc", "it has 3 bytes"),
        (b"\xff" * 20, "its header should have 18446744073709551615 bytes"),
        (safetensors_bytes(WHOLE, b"1234567"), "the tensors take 8 bytes, but the file holds 7"),
        (safetensors_bytes(WHOLE, b"123456789"), "the tensors take 8 bytes, but the file holds 9"),
        (safetensors_bytes(b"{"), "its header is no JSON"),
        (safetensors_bytes(b"[" * 100_000), "its header is no JSON"),
        (safetensors_bytes(b"\xff{}"), "its header is no JSON"),
        (safetensors_bytes([]), "its header is no JSON object"),
        (safetensors_bytes(b'{"x": 1, "x": 2}'), "a name occurs twice"),
        (safetensors_bytes({"x": 1}), "tensor `x` has no description"),
        (safetensors_bytes(entry(dtype="F4"), b"12345678"), "tensor `x` has type 'F4'; this library reads F64, "),
        (safetensors_bytes(entry(dtype=[]), b"12345678"), "tensor `x` has type"),
        (safetensors_bytes(entry(shape=[-2]), b"12345678"), r"tensor `x` has shape \[-2\], which is none"),
        (safetensors_bytes(entry(shape=[1] * 40), b"12345678"), "tensor `x` has shape .*, which is none"),
        (safetensors_bytes(entry(shape=[3]), b"12345678"), r"needs 12 bytes for shape \[3\], but has 8"),
        (safetensors_bytes(entry(shape=[1 << 62, 1 << 62]), b"12345678"), "needs .* bytes for shape"),
        (safetensors_bytes(entry(data_offsets=[8, 0]), b"12345678"), "but has -8"),
        (safetensors_bytes(entry(data_offsets=[8, 16]), b"12345678"), "should start at byte 0 of the data, but"),
        (safetensors_bytes(entry(data_offsets=[0, True]), b"12345678"), "has data_offsets .*, which are none"),
        (safetensors_bytes(WHOLE | {"y": WHOLE["x"]}, b"12345678"), "`y` should start at byte 8 of the data, but"),
    ],
)
def test_a_damaged_file_is_refused_with_what_is_wrong(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(CheckpointError, match=said):
        read_safetensors(mapped(tmp_path / "model.safetensors", content))


def test_all_faults_of_a_header_are_listed_at_once(tmp_path: Path) -> None:
    content = safetensors_bytes({"x": 1, "y": {"dtype": "F4"}})
    with pytest.raises(CheckpointError, match=r"has 2 faults:\n  - tensor `x` .*\n  - tensor `y`"):
        read_safetensors(mapped(tmp_path / "model.safetensors", content))


@same_folder
@given(st.binary(max_size=60), st.integers(0, 200), st.integers(0, 20))
def test_damage_anywhere_is_noticed_or_harmless(tmp_path: Path, patch: bytes, start: int, removed: int) -> None:
    whole = written({"x": held(np.ones((2, 3), np.float32)), "y": held(np.arange(4))})
    content = whole[:start] + patch + whole[start + removed :]
    try:
        tensors = read_safetensors(mapped(tmp_path / "model.safetensors", content or b"\0"))
    except CheckpointError:
        return
    assert sum(tensor.raw().nbytes for tensor in tensors.values()) <= len(content)
