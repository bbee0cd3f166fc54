from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bartleby.checkpoints.tensors import DTYPES, MappedFile, StoredTensor, held, widened
from bartleby.errors import CheckpointError
from tests.checkpoints.files import mapped


@pytest.mark.parametrize(
    ("bits", "number"),
    [(0x3F80, 1.0), (0xC000, -2.0), (0x3E20, 0.15625), (0x0001, 2.0**-133), (0x7F80, np.inf), (0x8000, -0.0)],
)
def test_bfloat16_is_the_upper_half_of_a_float32(bits: int, number: float) -> None:
    got = widened(np.array([bits], np.uint16))
    assert got.dtype == np.float32
    assert got[0] == number
    assert np.signbit(got[0]) == np.signbit(number)


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**16 - 1), max_size=20))
def test_widening_rounds_nothing(bits: list[int]) -> None:
    raw = np.array(bits, np.uint16)
    assert np.array_equal(widened(raw).view(np.uint32) >> 16, raw)


def test_widening_keeps_the_shape_of_a_scalar() -> None:
    assert widened(np.array(0x3F80, np.uint16)).shape == ()


def test_a_stored_bfloat16_is_bits_when_raw_and_numbers_when_asked_for() -> None:
    tensor = StoredTensor("x", (2,), "bfloat16", lambda: np.array([0x3F80, 0x4000], np.uint16), place="here")
    assert tensor.raw().dtype == np.uint16
    assert tensor.array().tolist() == [1.0, 2.0]
    assert tensor.nbytes == 4


@pytest.mark.parametrize("dtype", [name for name in DTYPES if name != "bfloat16"])
def test_an_array_is_held_as_the_type_it_has(dtype: str) -> None:
    array = np.ones((2, 3), DTYPES[dtype])
    tensor = held(array)
    assert (tensor.dtype, tensor.shape) == (dtype, (2, 3))
    assert tensor.raw() is array


def test_a_big_endian_array_is_turned_round() -> None:
    tensor = held(np.array([1.0, 2.0], ">f4"))
    assert tensor.dtype == "float32"
    assert tensor.raw().dtype == np.dtype("<f4")
    assert tensor.raw().tolist() == [1.0, 2.0]


def test_texts_are_no_tensors() -> None:
    with pytest.raises(CheckpointError, match=r"must have one of the types float64, .* but has <U1"):
        held(np.array(["a"]))


def test_mapped_bytes_can_be_written_to_without_changing_the_file(tmp_path: Path) -> None:
    file = mapped(tmp_path / "weights", b"abcdef")
    view = file.view(1, 3)
    view[0] = ord("X")
    assert bytes(file.view(0, 6)) == b"aXcdef"
    assert (tmp_path / "weights").read_bytes() == b"abcdef"


@pytest.mark.parametrize(("start", "length"), [(0, 7), (6, 1), (-1, 2), (2, -1), (1 << 62, 1)])
def test_bytes_outside_a_file_are_refused(tmp_path: Path, start: int, length: int) -> None:
    with pytest.raises(CheckpointError, match=r"is cut short or damaged: bytes .* but it has 6"):
        mapped(tmp_path / "weights", b"abcdef").view(start, length)


def test_a_closed_file_gives_no_more_bytes_but_keeps_those_it_gave(tmp_path: Path) -> None:
    file = mapped(tmp_path / "weights", b"abcdef")
    array = np.frombuffer(file.view(0, 6), np.uint8)
    file.close()
    with pytest.raises(CheckpointError, match="was closed"):
        file.view(0, 1)
    with pytest.raises(CheckpointError, match="was closed"):
        _ = file.stream
    assert array.tobytes() == b"abcdef"


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"weights is empty. Download or copy it again"):
        mapped(tmp_path / "weights", b"")


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be read: No such file"):
        MappedFile(tmp_path / "none")
    with pytest.raises(CheckpointError, match="cannot be read: Is a directory"):
        MappedFile(tmp_path)


def test_a_git_lfs_pointer_is_called_what_it_is(tmp_path: Path) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 557912620\n"
    with pytest.raises(CheckpointError, match=r"is a git-LFS pointer, not the file.*git lfs pull"):
        mapped(tmp_path / "model.safetensors", pointer)


def resident(path: Path) -> int:
    """KiB of a mapped file that are in memory."""
    parts = Path("/proc/self/smaps").read_text().split(str(path))[1:]
    return sum(int(part.split("Rss:")[1].split()[0]) for part in parts)


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="reads what Linux says of mapped memory")
def test_what_was_read_can_be_forgotten_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "numbers"
    path.write_bytes(bytes(range(256)) * 4096)
    file = MappedFile(path)
    assert bytes(file.view(0, file.size)) == path.read_bytes()
    assert resident(path) >= 1000
    file.forget()
    assert resident(path) == 0
    assert bytes(file.view(255, 2)) == b"\xff\0"
