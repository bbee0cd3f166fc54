import io
import pickle
import zipfile
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bartleby.checkpoints.tensors import DTYPES, StoredTensor
from bartleby.checkpoints.torch_file import read_torch_file, state_dict
from bartleby.errors import CheckpointError, UnsafePickleError
from tests.checkpoints.files import (
    CLASSES,
    MAGIC,
    legacy_bytes,
    mapped,
    named_global,
    named_tensors,
    pushed,
    storage_bytes,
    tensor_bytes,
    whole,
    zip_bytes,
)

NUMBERS = np.arange(6, dtype=np.float32).reshape(2, 3)
STORAGE = storage_bytes("float32", "0", 6)


def zipped(content: bytes, data: bytes = NUMBERS.tobytes()) -> bytes:
    return zip_bytes(content, {"0": data})


def packed(content: bytes, data: bytes = NUMBERS.tobytes()) -> bytes:
    return zip_bytes(content, {"0": data}, zipfile.ZIP_DEFLATED)


def legacy(content: bytes, data: bytes = NUMBERS.tobytes()) -> bytes:
    return legacy_bytes(content, {"0": ("float32", data)})


formats = pytest.mark.parametrize("form", [zipped, packed, legacy])
Form = Callable[..., bytes]


def read(path: Path, content: bytes) -> dict[str, StoredTensor]:
    file = mapped(path / "pytorch_model.bin", content)
    return state_dict(read_torch_file(file), file)


@formats
def test_a_tensor_is_read(tmp_path: Path, form: Form) -> None:
    tensor = read(tmp_path, form(named_tensors({"w": whole("0", "float32", NUMBERS)})))["w"]
    assert (tensor.name, tensor.shape, tensor.dtype) == ("w", (2, 3), "float32")
    got = tensor.raw()
    assert np.array_equal(got, NUMBERS)
    assert got.flags.c_contiguous
    assert got.flags.aligned
    assert got.flags.writeable


@pytest.mark.parametrize("dtype", CLASSES)
def test_numbers_of_every_type_are_read(tmp_path: Path, dtype: str) -> None:
    array = np.array([0, 1, 1, 0]).astype(DTYPES[dtype])
    content = named_tensors({"w": whole("0", dtype, array)})
    for file in (zip_bytes(content, {"0": array.tobytes()}), legacy_bytes(content, {"0": (dtype, array.tobytes())})):
        tensor = read(tmp_path, file)["w"]
        assert tensor.dtype == dtype
        assert tensor.raw().tobytes() == array.tobytes()


@formats
def test_views_of_one_storage_are_read_by_offset_and_strides(tmp_path: Path, form: Form) -> None:
    views = {
        "transposed": tensor_bytes(STORAGE, 0, (3, 2), (1, 3)),
        "corner": tensor_bytes(STORAGE, 4, (1, 2), (3, 1)),
        "every second": tensor_bytes(STORAGE, 1, (3,), (2,)),
        "repeated": tensor_bytes(STORAGE, 5, (4,), (0,)),
        "scalar": tensor_bytes(STORAGE, 2, (), ()),
        "empty": tensor_bytes(STORAGE, 0, (0, 3), (3, 1)),
    }
    got = {name: tensor.raw().tolist() for name, tensor in read(tmp_path, form(named_tensors(views))).items()}
    assert got == {
        "transposed": NUMBERS.T.tolist(),
        "corner": [[4.0, 5.0]],
        "every second": [1.0, 3.0, 5.0],
        "repeated": [5.0] * 4,
        "scalar": 2.0,
        "empty": [],
    }


@formats
def test_tensors_of_one_storage_have_one_place_when_they_are_the_same_view(tmp_path: Path, form: Form) -> None:
    same, other = tensor_bytes(STORAGE, 0, (3,), (1,)), tensor_bytes(STORAGE, 3, (3,), (1,))
    tensors = read(tmp_path, form(named_tensors({"a": same, "b": same, "c": other})))
    assert tensors["a"].place == tensors["b"].place
    assert tensors["a"].place != tensors["c"].place


def test_uncompressed_storages_are_mapped_and_not_copied(tmp_path: Path) -> None:
    content = named_tensors({"w": whole("0", "float32", NUMBERS)})
    start = zipped(content).index(NUMBERS.tobytes())
    aligned = zipped(content + b" " * (-start % 64))  # torch itself aligns storages to 64 bytes
    assert not read(tmp_path, aligned)["w"].raw().flags.owndata


def test_a_storage_view_of_old_files_is_a_part_of_its_storage(tmp_path: Path) -> None:
    part = storage_bytes("float32", "0", 6, ("view", 2, 3))
    content = legacy(named_tensors({"w": tensor_bytes(part, 1, (2,), (1,))}))
    assert read(tmp_path, content)["w"].raw().tolist() == [3.0, 4.0]


def test_a_parameter_is_its_tensor(tmp_path: Path) -> None:
    hooks = named_global("collections", "OrderedDict") + b")R"
    parameter = named_global("torch._utils", "_rebuild_parameter") + b"(" + whole("0", "float32", NUMBERS)
    tensor = read(tmp_path, zipped(named_tensors({"w": parameter + b"\x88" + hooks + b"tR"})))["w"]
    assert np.array_equal(tensor.raw(), NUMBERS)


def test_the_first_version_of_a_tensor_is_read(tmp_path: Path) -> None:
    arguments = b"(" + STORAGE + pushed(0) + pushed((2, 3)) + pushed((3, 1)) + b"t"
    content = legacy(named_tensors({"w": named_global("torch._utils", "_rebuild_tensor") + arguments + b"R"}))
    assert np.array_equal(read(tmp_path, content)["w"].raw(), NUMBERS)


@pytest.mark.parametrize(
    "tensor",
    [
        tensor_bytes(STORAGE, 1, (2, 3), (3, 1)),
        tensor_bytes(STORAGE, 0, (3, 3), (3, 1)),
        tensor_bytes(STORAGE, 6, (1,), (1,)),
        tensor_bytes(STORAGE, 0, (1 << 40, 1 << 40), (0, 0)),
        tensor_bytes(STORAGE, 0, (1 << 20,), (0,)),
        tensor_bytes(STORAGE, 1 << 61, (2,), (1 << 61,)),
    ],
)
@formats
def test_a_tensor_beyond_its_storage_is_refused(tmp_path: Path, form: Form, tensor: bytes) -> None:
    with pytest.raises(CheckpointError, match="a tensor beyond its storage"):
        read(tmp_path, form(named_tensors({"w": tensor})))


@pytest.mark.parametrize(
    ("tensor", "reason"),
    [
        (tensor_bytes(STORAGE, -1, (2,), (1,)), "a tensor without a shape"),
        (tensor_bytes(STORAGE, 0, (-2,), (1,)), "a tensor without a shape"),
        (tensor_bytes(STORAGE, 0, (2,), (-1,)), "a tensor without a shape"),
        (tensor_bytes(STORAGE, 0, (2,), ()), "a tensor without a shape"),
        (tensor_bytes(STORAGE, 0, (1,) * 40, (1,) * 40), "a tensor without a shape"),
        (tensor_bytes(pushed("0"), 0, (2,), (1,)), "a tensor without a storage"),
        (b"(" + pushed("storage") + pushed("float32") + pushed("0") + b"NK\x06tQ", "that is no storage"),
        (b"(" + pushed("storage") + b"tQ", "not enough values to unpack"),
        (storage_bytes("float32", "0", -6), "a storage without a size"),
        (named_global("torch._utils", "_rebuild_parameter") + b"(K\x01\x88NtR", "a parameter without a tensor"),
        (named_global("torch", "FloatStorage") + b")R", "a StorageType to be called"),
        (named_global("torch", "Size") + b"((J\xff\xff\xff\xffttR", "a torch.Size that is none"),
    ],
)
def test_what_only_looks_like_a_tensor_is_refused(tmp_path: Path, tensor: bytes, reason: str) -> None:
    with pytest.raises(CheckpointError, match=f"makes no sense \\(.*{reason}"):
        read(tmp_path, zipped(named_tensors({"w": tensor})))


def test_a_storage_must_have_the_size_the_pickle_says(tmp_path: Path) -> None:
    content = named_tensors({"w": whole("0", "float32", NUMBERS)})
    with pytest.raises(CheckpointError, match="member data/0 should have 24 bytes, but has 20"):
        read(tmp_path, zipped(content, NUMBERS.tobytes()[:20]))
    with pytest.raises(CheckpointError, match="is cut short or damaged"):
        read(tmp_path, legacy(content)[:-4])
    with pytest.raises(CheckpointError, match=r"storage 0 of 4\d+ bytes"):
        read(
            tmp_path, legacy(named_tensors({"w": tensor_bytes(storage_bytes("float32", "0", 1 << 40), 0, (1,), (1,))}))
        )


def test_the_storages_of_an_old_file_must_be_those_of_its_tensors(tmp_path: Path) -> None:
    tensors = named_tensors({"w": whole("0", "float32", NUMBERS)})
    data = NUMBERS.tobytes()
    right, other, shorter = ({key: ("float32", data[:size])} for key, size in (("0", 24), ("1", 24), ("0", 20)))
    keys = pickle.dumps(["0"], protocol=2)
    whole_file = legacy_bytes(tensors, right)
    for content in (
        legacy_bytes(tensors, other),
        legacy_bytes(tensors, shorter) + b"1234",
        whole_file.replace(keys, pickle.dumps(["0", 0], protocol=2)),
        whole_file.replace(keys, pickle.dumps("0", protocol=2)),
    ):
        with pytest.raises(CheckpointError, match="its storages are not those of its tensors"):
            read(tmp_path, content)


@pytest.mark.parametrize(
    "content",
    [zip_bytes(b"}.", {}, order="big"), legacy_bytes(b"}.", {}, little_endian=False)],
)
def test_files_of_big_endian_machines_are_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(CheckpointError, match="was written on a big-endian machine"):
        read(tmp_path, content)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (pickle.dumps({"w": 1}), "is a pickle, but none that torch wrote"),
        (pickle.dumps(MAGIC) + pickle.dumps(1002) + pickle.dumps({}), "has another torch protocol than 1001"),
        (b"<!DOCTYPE html><html>", "is damaged or no file of weights"),
        (b"PK\x03\x04 and nothing more", "is no zip archive"),
        (zip_bytes(pickle.dumps({10**5000: 1}), {}), r"a key that is a int \(int\)"),
        (zip_bytes(pickle.dumps(dict.fromkeys("abcdefghijklmn")), {}), r"`j` \(NoneType\) and 4 others"),
        (zip_bytes(pickle.dumps([1]), {}), "holds a list, not named tensors"),
        (
            zip_bytes(pickle.dumps({"epoch": 3, "args": [1]}), {}),
            r"more than named tensors: `epoch` \(int\), `args` \(list\)",
        ),
    ],
)
def test_other_files_are_called_what_they_are(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(CheckpointError, match=said):
        read(tmp_path, content)


@formats
def test_code_inside_a_checkpoint_is_named_and_not_run(tmp_path: Path, form: Form) -> None:
    command = named_global("posix", "system") + pushed((f"touch {tmp_path / 'it-ran'}",)) + b"R"
    with pytest.raises(UnsafePickleError, match=r"pytorch_model.bin asks for `posix.system`"):
        read(tmp_path, form(named_tensors({"w": command})))
    assert not (tmp_path / "it-ran").exists()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(st.sampled_from([zipped, packed, legacy]), st.binary(max_size=20), st.integers(0, 900), st.integers(0, 20))
def test_damage_anywhere_is_noticed_or_harmless(
    tmp_path: Path, form: Form, patch: bytes, start: int, removed: int
) -> None:
    intact = form(named_tensors({"w": whole("0", "float32", NUMBERS), "v": tensor_bytes(STORAGE, 0, (3, 2), (1, 3))}))
    content = intact[:start] + patch + intact[start + removed :]
    try:
        tensors = read(tmp_path, content or b"\0")
        sizes = [tensor.array().nbytes for tensor in tensors.values()]
    except CheckpointError:
        return
    assert all(size <= len(content) for size in sizes)


def saved(value: Any, **options: Any) -> bytes:
    torch = pytest.importorskip("torch", reason="needs torch to write its files")
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("zipfile_format", [True, False])
def test_what_torch_saves_is_what_is_read(tmp_path: Path, zipfile_format: bool, protocol: int) -> None:
    torch = pytest.importorskip("torch", reason="needs torch to write its files")
    base = torch.arange(24).reshape(4, 6)
    floats = base.double() / 7
    values = {
        **{str(kind): base.to(kind) for kind in (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)},
        **{str(kind): floats.to(kind) for kind in (torch.float64, torch.float32, torch.float16, torch.complex64)},
        "bool": base > 4,
        "transposed": base.t(),
        "sliced": base[1::2, ::3],
        "expanded": torch.tensor([2.5]).expand(3, 4),
        "scalar": torch.tensor(5),
        "empty": torch.zeros(0, 3),
        "parameter": torch.nn.Parameter(torch.ones(2, 2)),
    }
    options = {"_use_new_zipfile_serialization": zipfile_format, "pickle_protocol": protocol}
    tensors = read(tmp_path, saved(values, **options))
    assert list(tensors) == list(values)
    for name, value in values.items():
        expected = value.detach().numpy()
        got = tensors[name].array()
        assert (got.dtype, got.shape) == (expected.dtype, expected.shape)
        assert np.array_equal(got, expected)


@pytest.mark.parametrize("zipfile_format", [True, False])
def test_bfloat16_that_torch_saves_widens_to_what_torch_widens_it_to(tmp_path: Path, zipfile_format: bool) -> None:
    torch = pytest.importorskip("torch", reason="needs torch to write its files")
    value = torch.linspace(-3, 3, 50).to(torch.bfloat16)
    tensor = read(tmp_path, saved({"w": value}, _use_new_zipfile_serialization=zipfile_format))["w"]
    assert tensor.dtype == "bfloat16"
    assert np.array_equal(tensor.array(), value.float().numpy())


@pytest.mark.parametrize("zipfile_format", [True, False])
def test_an_original_checkpoint_is_read_with_its_arguments(tmp_path: Path, zipfile_format: bool) -> None:
    torch = pytest.importorskip("torch", reason="needs torch to write its files")
    original = {
        "args": Namespace(arch="bart_large"),
        "model": torch.nn.Linear(2, 2).state_dict(),
        "size": torch.Size([2]),
    }
    file = mapped(tmp_path / "model.pt", saved(original, _use_new_zipfile_serialization=zipfile_format))
    content = read_torch_file(file)
    assert content["args"] == Namespace(arch="bart_large")
    assert content["size"] == (2,)
    assert np.array_equal(content["model"]["weight"].raw(), original["model"]["weight"].numpy())
    with pytest.raises(CheckpointError, match=r"`args` \(Namespace\), .* If it is an original of fairseq or ParlAI"):
        state_dict(content, file)
