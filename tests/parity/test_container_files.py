"""What TensorFlow and Flax saved in transformers 4.37.2 is read as PyTorch saved it, and written as they write it."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from bartleby.checkpoints import StoredWeights, open_weights
from bartleby.checkpoints.folder import save_folder
from bartleby.checkpoints.forms import tensorflow_form
from bartleby.checkpoints.h5_file import write_h5
from bartleby.checkpoints.layouts import tensorflow_root, to_flax
from bartleby.checkpoints.msgpack_file import read_msgpack
from bartleby.checkpoints.msgpack_writing import write_arrays, write_msgpack
from bartleby.checkpoints.names import canonical_name
from bartleby.checkpoints.tensors import MappedFile

GOLDENS = Path(__file__).parent / "goldens" / "containers.tar.xz"
MODELS = (
    "BartModel",
    "BartForConditionalGeneration",
    "BartForSequenceClassification",
    "BartForQuestionAnswering",
    "BlenderbotForConditionalGeneration",
    "BlenderbotSmallForConditionalGeneration",
)
IN_TENSORFLOW = [model for model in MODELS if model != "BartForQuestionAnswering"]  # which has no such class
CASES = [
    *((model, kind) for model in IN_TENSORFLOW for kind in ("tensorflow", "tensorflow-shards")),
    *((model, kind) for model in MODELS for kind in ("flax", "flax-shards", "flax-bfloat16")),
]
h5py = pytest.importorskip("h5py", reason='TensorFlow\'s files need h5py: pip install "bartleby[convert]"')


@pytest.fixture(scope="module")
def goldens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("goldens")
    with tarfile.open(GOLDENS) as archive:
        archive.extractall(folder, filter="data")
    return folder


def assert_same(found: StoredWeights, model: Path) -> None:
    """Holds what PyTorch saved, under canonical names: the same tensors with the same numbers."""
    with open_weights(model / "pytorch") as expected:
        names = {canonical_name(name): name for name in expected.names()}
        assert {canonical_name(name) for name in found.names()} == set(names)
        for name in found.names():
            np.testing.assert_array_equal(found.array(name), expected.array(names[canonical_name(name)]), err_msg=name)


@pytest.mark.parametrize(("model", "kind"), CASES)
def test_what_other_frameworks_saved_is_what_pytorch_saved(goldens: Path, model: str, kind: str) -> None:
    with open_weights(goldens / model / kind) as found:
        assert_same(found, goldens / model)
        expected = "bfloat16" if kind == "flax-bfloat16" else "float32"
        assert {found.dtype(name) for name in found.names()} == {expected}


@pytest.mark.parametrize("model", IN_TENSORFLOW)
def test_a_written_h5_file_lists_and_holds_what_tensorflow_writes(goldens: Path, model: str, tmp_path: Path) -> None:
    with open_weights(goldens / model / "tensorflow") as read:
        path = tmp_path / "tf_model.h5"
        write_h5(path, {name: read.tensor(name) for name in read.names()}, tensorflow_root(f"TF{model}"))
    with open_weights(path) as again:
        assert_same(again, goldens / model)
    with h5py.File(path) as ours, h5py.File(goldens / model / "tensorflow" / "tf_model.h5") as theirs:
        assert list(ours.attrs["layer_names"]) == list(theirs.attrs["layer_names"])
        for layer in theirs:
            names = list(theirs[layer].attrs["weight_names"])
            assert list(ours[layer].attrs["weight_names"]) == names
            for name in names:
                np.testing.assert_array_equal(ours[layer][name], theirs[layer][name], err_msg=name)
        paths: tuple[list[str], list[str]] = ([], [])
        ours.visit(paths[0].append)
        theirs.visit(paths[1].append)
        assert sorted(paths[0]) == sorted(paths[1])


@pytest.mark.parametrize("model", IN_TENSORFLOW)
def test_written_h5_shards_hold_the_names_that_tensorflow_gives_them(goldens: Path, model: str, tmp_path: Path) -> None:
    theirs = goldens / model / "tensorflow-shards"
    with open_weights(theirs) as read:
        weights = {name: read.tensor(name) for name in read.names()}
        form = tensorflow_form(tensorflow_root(f"TF{model}"))
        save_folder(tmp_path, config={}, generation_config=None, weights=weights, max_shard_size="1KB", form=form)
    assert h5_names(tmp_path) == h5_names(theirs)


def h5_names(folder: Path) -> tuple[set[str], set[str]]:
    """What the index of shards lists, and what the shards say that they hold."""
    index = json.loads((folder / "tf_model.h5.index.json").read_text())["weight_map"]
    inside: set[str] = set()
    for shard in set(index.values()):
        with h5py.File(folder / shard) as file:
            names = {str(name, "utf-8") if isinstance(name, bytes) else name for name in file.attrs["layer_names"]}
            assert all(name in file for name in names)
            inside |= names
    return set(index), inside


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("kind", ["flax", "flax-bfloat16"])
def test_a_written_msgpack_file_is_byte_for_byte_what_flax_writes(goldens: Path, model: str, kind: str) -> None:
    path = goldens / model / kind / "flax_model.msgpack"
    tensors = {tensor.name: tensor for tensor in read_msgpack(MappedFile(path))}
    written = io.BytesIO()
    write_arrays(written, tensors)
    assert written.getvalue() == path.read_bytes()


@pytest.mark.parametrize("model", MODELS)
def test_canonical_tensors_are_written_as_flax_has_them(goldens: Path, model: str) -> None:
    path = goldens / model / "flax" / "flax_model.msgpack"
    written = io.BytesIO()
    with open_weights(path) as read:
        tensors = {name: read.tensor(name) for name in read.names()}
        write_msgpack(written, tensors, bare=model == "BartModel")
    assert written.getvalue() == path.read_bytes()


@pytest.mark.parametrize("model", MODELS)
def test_canonical_names_become_flaxs_own(goldens: Path, model: str) -> None:
    with open_weights(goldens / model / "flax") as read:
        own = {to_flax(name, bare=model == "BartModel") for name in read.names()}
    index = json.loads((goldens / model / "flax-shards" / "flax_model.msgpack.index.json").read_text())
    assert own == set(index["weight_map"])
