import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from bartleby.checkpoints.containers import open_weights
from bartleby.checkpoints.msgpack_writing import write_arrays
from bartleby.checkpoints.safetensors_file import write_safetensors
from bartleby.checkpoints.tensors import held
from bartleby.errors import CheckpointError
from tests.checkpoints.files import legacy_bytes, named_tensors, whole, zip_bytes

NUMBERS = np.arange(6, dtype=np.float32).reshape(2, 3)
TENSOR = named_tensors({"w": whole("0", "float32", NUMBERS)})


def safetensors(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    write_safetensors(buffer, {name: held(array) for name, array in arrays.items()})
    return buffer.getvalue()


def sharded(folder: Path, promised: dict[str, str], **shards: bytes) -> None:
    for name, content in shards.items():
        (folder / f"{name}.safetensors").write_bytes(content)
    weight_map = {tensor: f"{shard}.safetensors" for tensor, shard in promised.items()}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))


CONTAINERS = {
    "model.safetensors": safetensors(w=NUMBERS),
    "pytorch_model.bin": zip_bytes(TENSOR, {"0": NUMBERS.tobytes()}),
    "model.pt": legacy_bytes(TENSOR, {"0": ("float32", NUMBERS.tobytes())}),
    "model": zip_bytes(TENSOR, {"0": NUMBERS.tobytes()}),  # ParlAI's name
    "weights": safetensors(w=NUMBERS),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_file_is_opened_by_what_it_holds(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(CONTAINERS[name])
    with open_weights(tmp_path / name) as weights:
        assert weights.names() == ["w"]
        assert (weights.shape("w"), weights.dtype("w")) == ((2, 3), "float32")
        assert np.array_equal(weights.raw("w"), NUMBERS)
        assert np.array_equal(weights.array("w"), NUMBERS)


def test_a_closed_checkpoint_says_so_but_its_arrays_live_on(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(CONTAINERS["model.safetensors"])
    with open_weights(tmp_path) as weights:
        array = weights.raw("w")
    with pytest.raises(CheckpointError, match=r"model.safetensors was closed"):
        weights.raw("w")
    assert array.sum() == 15


def test_a_name_that_is_not_there_is_answered_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(safetensors(**{"shared.weight": NUMBERS}))
    with pytest.raises(CheckpointError, match=r"has no tensor `shared.wieght`. Is `shared.weight` meant\?"):
        open_weights(tmp_path).raw("shared.wieght")


def test_safetensors_are_preferred_to_pickles(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"never read")
    sharded(tmp_path, {"b": "model-00001-of-00001"}, **{"model-00001-of-00001": safetensors(b=NUMBERS)})
    assert open_weights(tmp_path).names() == ["b"]
    (tmp_path / "model.safetensors").write_bytes(safetensors(a=NUMBERS))
    assert open_weights(tmp_path).names() == ["a"]


def test_shards_are_one_set_of_tensors(tmp_path: Path) -> None:
    sharded(tmp_path, {"a": "one", "b": "two"}, one=safetensors(a=NUMBERS), two=safetensors(b=NUMBERS + 1))
    weights = open_weights(tmp_path)
    assert {name: weights.raw(name).sum() for name in weights.names()} == {"a": 15, "b": 21}


def test_shards_may_be_pickles(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model-00001-of-00001.bin").write_bytes(CONTAINERS["pytorch_model.bin"])
    index = {"metadata": {"total_size": 24}, "weight_map": {"w": "pytorch_model-00001-of-00001.bin"}}
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    assert np.array_equal(open_weights(tmp_path).raw("w"), NUMBERS)


@pytest.mark.parametrize(("shard", "total"), [("one", 15), ("two", 21)])
def test_the_index_decides_between_two_shards_with_one_tensor(tmp_path: Path, shard: str, total: int) -> None:
    one, two = safetensors(a=NUMBERS, b=NUMBERS), safetensors(a=NUMBERS + 1, c=NUMBERS)
    sharded(tmp_path, {"a": shard, "b": "one", "c": "two"}, one=one, two=two)
    assert open_weights(tmp_path).raw("a").sum() == total


def test_a_tensor_the_index_forgot_is_not_lost(tmp_path: Path) -> None:
    sharded(tmp_path, {"a": "one"}, one=safetensors(a=NUMBERS, b=NUMBERS))
    assert open_weights(tmp_path).names() == ["a", "b"]


def test_a_tensor_in_another_shard_than_the_index_says_is_missed(tmp_path: Path) -> None:
    sharded(tmp_path, {"a": "one", "b": "two"}, one=safetensors(a=NUMBERS, b=NUMBERS), two=safetensors(c=NUMBERS))
    with pytest.raises(CheckpointError, match=r"two.safetensors lacks tensor `b`"):
        open_weights(tmp_path)


def test_all_missing_shards_are_named_at_once(tmp_path: Path) -> None:
    sharded(tmp_path, {"a": "one", "b": "two", "c": "three"}, two=safetensors(b=NUMBERS))
    with pytest.raises(
        CheckpointError, match=r"(?s)has 2 faults.*one.safetensors is missing.*three.safetensors is miss"
    ):
        open_weights(tmp_path)


def test_all_tensors_an_index_promises_in_vain_are_named_at_once(tmp_path: Path) -> None:
    sharded(tmp_path, {"a": "one", "b": "one", "c": "one"}, one=safetensors(b=NUMBERS))
    with pytest.raises(CheckpointError, match=r"(?s)has 2 faults.*one.safetensors lacks tensor `a`.*lacks tensor `c`"):
        open_weights(tmp_path)


def test_an_index_that_leaves_its_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.safetensors").write_bytes(safetensors(a=NUMBERS))
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    sharded(folder, {"a": "../secret"})
    with pytest.raises(CheckpointError, match="nothing outside is read"):
        open_weights(folder)


def test_a_folder_without_weights_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"has no weights: none of model.safetensors, .*pytorch_model.bin"):
        open_weights(tmp_path)


def test_a_path_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"does not exist. Give a folder with weights"):
        open_weights(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "is empty"), (b"version https://git-lfs.github.com/spec/v1\n", "is a git-LFS pointer"), (b"PK", "Download")],
)
def test_what_is_there_in_place_of_weights_is_called_what_it_is(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=said):
        open_weights(tmp_path)


def test_weights_of_other_frameworks_are_read_where_there_are_no_others(tmp_path: Path) -> None:
    weights = {"lm_head/kernel": held(NUMBERS)}
    with (tmp_path / "flax_model.msgpack").open("wb") as file:
        write_arrays(file, weights)
    stored = open_weights(tmp_path)
    assert np.array_equal(stored.raw("lm_head.weight"), NUMBERS.T)
    assert stored.tensor("lm_head.weight").origin == "lm_head/kernel"
    (tmp_path / "pytorch_model.bin").write_bytes(CONTAINERS["pytorch_model.bin"])
    assert open_weights(tmp_path).names() == ["w"]
    assert open_weights(tmp_path / "flax_model.msgpack").names() == ["lm_head.weight"]


def test_shards_of_other_frameworks_are_one_set_of_tensors(tmp_path: Path) -> None:
    for number, name in ((1, "model/shared/embedding"), (2, "lm_head/kernel")):
        with (tmp_path / f"flax_model-{number:05}-of-00002.msgpack").open("wb") as file:
            write_arrays(file, {name: held(NUMBERS + number)})
    promised = {"model/shared/embedding": 1, "lm_head/kernel": 2}
    files = {name: f"flax_model-{number:05}-of-00002.msgpack" for name, number in promised.items()}
    (tmp_path / "flax_model.msgpack.index.json").write_text(json.dumps({"weight_map": files}))
    stored = open_weights(tmp_path)
    assert stored.names() == ["model.shared.weight", "lm_head.weight"]
    assert np.array_equal(stored.raw("lm_head.weight"), NUMBERS.T + 2)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(st.binary(max_size=200), st.sampled_from([b"", b"PK\3\4", b"\x80\2", b"\x10" + bytes(7) + b"{"]))
@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin", "model", "flax_model.msgpack"])
def test_arbitrary_bytes_are_refused_or_empty(tmp_path: Path, name: str, content: bytes, start: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(start + content)
    try:
        weights = open_weights(path)
    except CheckpointError:
        return
    assert weights.names() == []  # an empty header is a file too


@pytest.mark.parametrize(
    ("framework", "kernel", "table"),
    [
        ("flax", "model.encoder.layers.0.fc1.kernel", "model.shared.embedding"),
        ("flax", "encoder.layers.0.fc1.kernel", "shared.embedding"),
        ("tf", "model/encoder/layers.0/fc1/kernel:0", "model.shared/model.shared/embeddings:0"),
    ],
)
def test_safetensors_of_other_frameworks_come_under_canonical_names(
    tmp_path: Path, framework: str, kernel: str, table: str
) -> None:
    content = save({kernel: NUMBERS, table: NUMBERS + 1}, metadata={"format": framework})
    (tmp_path / "model.safetensors").write_bytes(content)
    with open_weights(tmp_path) as weights:
        assert np.array_equal(weights.raw("model.encoder.layers.0.fc1.weight"), NUMBERS.T)
        assert np.array_equal(weights.raw("model.shared.weight"), NUMBERS + 1)
        assert weights.tensor("model.shared.weight").origin.replace("/", ".") == table.replace("/", ".")


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}, {"format": "else"}, {"other": "flax"}])
def test_other_safetensors_are_taken_as_they_are(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    (tmp_path / "model.safetensors").write_bytes(save({"fc1.kernel": NUMBERS}, metadata=metadata))
    with open_weights(tmp_path) as weights:
        assert np.array_equal(weights.raw("fc1.kernel"), NUMBERS)
