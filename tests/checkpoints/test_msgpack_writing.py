import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from bartleby.checkpoints import msgpack_writing
from bartleby.checkpoints.containers import open_weights
from bartleby.checkpoints.msgpack_file import read_msgpack
from bartleby.checkpoints.msgpack_writing import write_arrays, write_msgpack
from bartleby.checkpoints.tensors import DTYPES, MappedFile, StoredTensor, held
from tests.checkpoints.files import mapped


def written(tensors: dict[str, StoredTensor]) -> bytes:
    buffer = io.BytesIO()
    write_arrays(buffer, tensors)
    return buffer.getvalue()


@settings(deadline=None, max_examples=60)
@given(
    st.dictionaries(
        st.text("abcdefgh_ö", min_size=1, max_size=40),
        st.sampled_from([name for name in DTYPES if name != "bfloat16"]).flatmap(
            lambda dtype: arrays.arrays(DTYPES[dtype], arrays.array_shapes(min_dims=0, max_dims=3, min_side=0))
        ),
        max_size=8,
    )
)
def test_any_arrays_come_back_bit_for_bit(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, npt.NDArray[np.generic]]
) -> None:
    content = written({f"model/{name}": held(value) for name, value in values.items()})
    path = tmp_path_factory.mktemp("msgpack") / "flax_model.msgpack"
    tensors = {tensor.name: tensor for tensor in read_msgpack(mapped(path, content))} if values else {}
    assert list(tensors) == [f"model/{name}" for name in values]
    for name, value in values.items():
        got = tensors[f"model/{name}"].raw()
        assert (got.dtype, got.shape, got.tobytes()) == (value.dtype, value.shape, value.tobytes())


@pytest.mark.parametrize("count", [0, 1, 15, 16, 31, 32, 127, 128, 255, 256, 65535, 65536])
def test_every_length_is_packed_as_the_library_packs_it(count: int) -> None:
    msgpack = pytest.importorskip("msgpack", reason="files are compared with another library's: pip install msgpack")
    value = np.arange(count, dtype=np.uint8)
    inside = msgpack.packb((value.shape, "uint8", value.tobytes()), use_bin_type=True)
    tree = {"a" * max(count % 300, 1): msgpack.ExtType(1, inside)}
    assert written({name: held(value) for name in tree}) == msgpack.packb(tree, strict_types=True)


@pytest.mark.parametrize("length", [1, 2, 4, 8, 16])
def test_short_extensions_have_heads_of_their_own(length: int) -> None:
    msgpack = pytest.importorskip("msgpack", reason="files are compared with another library's: pip install msgpack")
    assert msgpack_writing._extension(length) + bytes(length) == msgpack.packb(msgpack.ExtType(1, bytes(length)))


@pytest.mark.parametrize("entries", [15, 16, 70_000])
def test_maps_of_any_size_are_packed_as_the_library_packs_them(entries: int) -> None:
    msgpack = pytest.importorskip("msgpack", reason="files are compared with another library's: pip install msgpack")
    number = held(np.zeros((), np.uint8))
    leaf = msgpack.ExtType(1, msgpack.packb(((), "uint8", b"\0"), use_bin_type=True))
    names = [f"w{place}" for place in range(entries)]
    assert written(dict.fromkeys(names, number)) == msgpack.packb(dict.fromkeys(names, leaf))


def test_large_arrays_are_cut_in_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(msgpack_writing, "CHUNK_BYTES", 64)
    value = np.arange(50, dtype=np.float32).reshape(5, 10)
    content = written({"a/b": held(value), "small": held(value[:1])})
    assert content.count(b"__msgpack_chunked_array__") == 1
    tensors = {tensor.name: tensor for tensor in read_msgpack(mapped(tmp_path / "a.msgpack", content))}
    assert np.array_equal(tensors["a/b"].raw(), value)
    assert np.array_equal(tensors["small"].raw(), value[:1])


def test_bfloat16_is_written_as_its_bits(tmp_path: Path) -> None:
    bits = np.array([0x3F80, 0x4000], np.uint16)
    content = written({"a": StoredTensor("a", (2,), "bfloat16", lambda: bits, place="a")})
    [tensor] = read_msgpack(mapped(tmp_path / "a.msgpack", content))
    assert tensor.array().tolist() == [1.0, 2.0]


@pytest.mark.parametrize("bare", [True, False])
def test_canonical_tensors_are_named_and_turned_and_come_back(tmp_path: Path, bare: bool) -> None:
    value = np.arange(6, dtype=np.float32).reshape(2, 3)
    names = ("model.shared.weight", "model.encoder.layers.0.fc1.weight", "model.encoder.layernorm_embedding.weight")
    path = tmp_path / "flax_model.msgpack"
    with path.open("wb") as file:
        write_msgpack(file, {name: held(value + place) for place, name in enumerate(names)}, bare)
    found = {tensor.name: tensor.shape for tensor in read_msgpack(MappedFile(path))}
    kernel = "encoder/layers/0/fc1/kernel" if bare else "model/encoder/layers/0/fc1/kernel"
    assert (len(found), found[kernel]) == (3, (3, 2))
    with open_weights(path) as stored:
        assert set(stored.names()) == set(names)
        assert all(np.array_equal(stored.raw(name), value + place) for place, name in enumerate(names))
