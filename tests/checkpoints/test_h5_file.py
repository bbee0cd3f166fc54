import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bartleby.checkpoints import h5_file
from bartleby.checkpoints.containers import open_weights
from bartleby.checkpoints.h5_file import read_h5, write_h5
from bartleby.checkpoints.tensors import MappedFile, StoredTensor, held
from bartleby.errors import CheckpointError, MissingExtraError

h5py = pytest.importorskip("h5py", reason='TensorFlow\'s files need h5py: pip install "bartleby[convert]"')

NUMBERS = np.arange(6, dtype=np.float32).reshape(2, 3)
KERNEL = "model/tf_bart_model/model/encoder/layers.0/fc1/kernel:0"


def made(path: Path, make: Callable[[Any], object]) -> MappedFile:
    with h5py.File(path, "w") as file:
        make(file)
    return MappedFile(path)


def read(file: MappedFile) -> dict[str, StoredTensor]:
    return {tensor.name: tensor for tensor in read_h5(file)}


def weights() -> dict[str, StoredTensor]:
    return {
        "model.shared.weight": held(NUMBERS),
        "model.encoder.layers.0.fc1.weight": held(NUMBERS + 10),
        "model.encoder.layers.0.fc1.bias": held(NUMBERS[0]),
        "final_logits_bias": held(NUMBERS[:1]),
    }


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    write_h5(tmp_path / "tf_model.h5", weights(), "tf_bart_for_conditional_generation")
    with open_weights(tmp_path) as stored:
        assert set(stored.names()) == set(weights())
        for name, tensor in weights().items():
            assert np.array_equal(stored.raw(name), tensor.raw())
            assert stored.raw(name).flags.writeable


def test_numbers_are_mapped_not_copied_and_gone_with_the_file(tmp_path: Path) -> None:
    write_h5(tmp_path / "tf_model.h5", weights(), "tf_bart_model")
    stored = open_weights(tmp_path / "tf_model.h5")
    array = stored.raw("model.shared.weight")
    assert not array.flags.owndata
    stored.close()
    with pytest.raises(CheckpointError, match="was closed"):
        stored.raw("model.shared.weight")
    assert array.sum() == NUMBERS.sum()


@pytest.mark.parametrize("options", [{"chunks": (1, 3)}, {"compression": "gzip"}, {"dtype": ">f4"}, {"dtype": "<f2"}])
def test_other_ways_to_store_numbers_are_read(tmp_path: Path, options: dict[str, Any]) -> None:
    file = made(tmp_path / "a.h5", lambda root: root.create_dataset("a/b", data=NUMBERS, **options))
    assert np.array_equal(read(file)["a/b"].raw(), NUMBERS)


def test_scalars_and_empty_arrays_are_read(tmp_path: Path) -> None:
    def make(root: Any) -> None:
        root["step"] = np.int64(3)
        root["none"] = np.zeros((0, 4), np.float32)

    tensors = read(made(tmp_path / "a.h5", make))
    assert int(tensors["step"].raw()) == 3
    assert tensors["none"].raw().shape == (0, 4)


def test_links_that_leave_the_file_are_refused_and_not_followed(tmp_path: Path) -> None:
    made(tmp_path / "secret.h5", lambda root: root.create_dataset("a", data=NUMBERS))
    (tmp_path / "secret.bin").write_bytes(NUMBERS.tobytes())

    def make(root: Any) -> None:
        root["external"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/a")
        root["soft"] = h5py.SoftLink("/good")
        root["good"] = NUMBERS
        outside = [(str(tmp_path / "secret.bin"), 0, NUMBERS.nbytes)]
        root.create_dataset("outside", shape=(2, 3), dtype="<f4", external=outside)
        layout = h5py.VirtualLayout(shape=(2, 3), dtype="<f4")
        layout[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "a", shape=(2, 3))
        root.create_virtual_dataset("virtual", layout)

    with pytest.raises(CheckpointError) as refused:
        read(made(tmp_path / "a.h5", make))
    for name in ("external", "soft", "outside", "virtual"):
        assert f"`{name}`" in str(refused.value)
    assert "`good`" not in str(refused.value)


def test_a_group_within_itself_is_refused(tmp_path: Path) -> None:
    def make(root: Any) -> None:
        group = root.create_group("a")
        group["again"] = group

    with pytest.raises(CheckpointError, match="groups in each other"):
        read(made(tmp_path / "a.h5", make))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (np.array([b"text"]), r"`a` has type \|S4"),
        (h5py.Empty("f"), "`a` has no shape"),
        (np.zeros(2, [("x", "f4")]), "`a` has type"),
    ],
)
def test_what_is_no_tensor_is_named(tmp_path: Path, value: Any, said: str) -> None:
    with pytest.raises(CheckpointError, match=said):
        read(made(tmp_path / "a.h5", lambda root: root.create_dataset("a", data=value)))


def test_a_type_of_another_kind_in_the_tree_is_named(tmp_path: Path) -> None:
    def make(root: Any) -> None:
        root["type"] = np.dtype("f4")

    with pytest.raises(CheckpointError, match="`type` is neither a group nor an array"):
        read(made(tmp_path / "a.h5", make))


def test_arrays_that_unpack_to_much_more_than_the_file_are_refused(tmp_path: Path) -> None:
    def make(root: Any) -> None:
        root.create_dataset("a", shape=(1 << 34,), chunks=(1 << 20,), dtype="f4", compression="gzip")

    with pytest.raises(CheckpointError, match="unpack to more than"):
        read(made(tmp_path / "a.h5", make))


def test_a_file_cut_short_is_noticed_when_it_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "tf_model.h5"
    made(path, lambda root: root.create_dataset("a", data=np.zeros(4096, np.float32)))
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 8192)
    with pytest.raises(CheckpointError, match=r"tf_model.h5 is (damaged|cut short)"):
        open_weights(path)


def test_long_lists_of_names_are_cut_as_keras_cuts_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(h5_file, "ATTRIBUTE_LIMIT", 120)
    write_h5(tmp_path / "a.h5", weights(), "tf_bart_model")
    with h5py.File(tmp_path / "a.h5") as file:
        attributes = file["model"].attrs
        assert "weight_names" not in attributes
        names = [name for number in range(len(attributes)) for name in attributes[f"weight_names{number}"]]
    assert [name.rpartition("/")[2] for name in names] == ["embeddings:0", "kernel:0", "bias:0"]


def test_bfloat16_is_refused_because_hdf5_lacks_it(tmp_path: Path) -> None:
    tensor = StoredTensor("w", (2,), "bfloat16", lambda: np.zeros(2, np.uint16), place="w")
    with pytest.raises(CheckpointError, match="`w` is bfloat16, which HDF5 lacks"):
        write_h5(tmp_path / "a.h5", {"w": tensor}, "tf_bart_model")
    assert os.listdir(tmp_path) == []


def test_without_h5py_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = made(tmp_path / "a.h5", lambda root: root.create_dataset("a", data=NUMBERS))
    monkeypatch.setattr("bartleby.errors.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r'h5 weights needs h5py.*pip install "bartleby\[convert\]"'):
        read_h5(file)
    with pytest.raises(MissingExtraError, match="Writing"):
        write_h5(tmp_path / "b.h5", weights(), "tf_bart_model")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(st.binary(min_size=1, max_size=16), st.integers(0, 6000))
def test_damage_anywhere_is_noticed_or_harmless(tmp_path: Path, patch: bytes, start: int) -> None:
    path = tmp_path / "intact.h5"
    if not path.exists():
        write_h5(path, weights(), "tf_bart_model")
    intact = path.read_bytes()
    (tmp_path / "tf_model.h5").write_bytes((intact[:start] + patch + intact[start + len(patch) :])[: len(intact)])
    try:
        with open_weights(tmp_path / "tf_model.h5") as stored:
            sizes = [stored.raw(name).nbytes for name in stored.names()]
    except CheckpointError:
        return
    assert sum(sizes) <= 20 * len(intact) + (1 << 24)
