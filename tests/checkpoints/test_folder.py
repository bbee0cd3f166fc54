import errno
import json
import os
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from bartleby.checkpoints.folder import CheckpointFolder, save_folder
from bartleby.checkpoints.forms import SAFETENSORS
from bartleby.checkpoints.tensors import DTYPES, StoredTensor
from bartleby.errors import CheckpointError, OptionError

CONFIG = {"model_type": "bart", "d_model": 4}
GENERATION = {"num_beams": 4}
NUMBERS = np.arange(6, dtype=np.float32).reshape(2, 3)

same_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)


def save(folder: Path, value: float = 0.0, tensors: int = 3, **options: Any) -> None:
    weights = {f"t{number}": NUMBERS + value for number in range(tensors)}
    save_folder(
        folder, **({"config": CONFIG | {"value": value}, "generation_config": GENERATION, "weights": weights} | options)
    )


def load(folder: Path) -> tuple[dict[str, Any], dict[str, Any] | None, dict[str, list[Any]]]:
    with CheckpointFolder.open(folder) as checkpoint:
        weights = {name: checkpoint.weights.raw(name).tolist() for name in checkpoint.weights.names()}
        return checkpoint.config, checkpoint.generation_config, weights


def test_a_saved_folder_opens_as_it_was(tmp_path: Path) -> None:
    save(tmp_path / "a" / "b", value=2.0)
    config, generation, weights = load(tmp_path / "a" / "b")
    assert (config, generation) == (CONFIG | {"value": 2.0}, GENERATION)
    assert weights == {f"t{number}": (NUMBERS + 2).tolist() for number in range(3)}
    assert sorted(os.listdir(tmp_path / "a" / "b")) == ["config.json", "generation_config.json", "model.safetensors"]


tables = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8).filter(lambda name: name != "__metadata__"),
    st.sampled_from([name for name in DTYPES if name not in ("bfloat16", "complex128")]).flatmap(
        lambda dtype: arrays.arrays(DTYPES[dtype], arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
    ),
    max_size=6,
)


@same_folder
@given(tables, st.integers(1, 200))
def test_any_table_of_arrays_survives_any_shard_size(
    tmp_path: Path, table: dict[str, npt.NDArray[Any]], limit: int
) -> None:
    save_folder(tmp_path, config=CONFIG, generation_config=None, weights=table, max_shard_size=limit)
    with CheckpointFolder.open(tmp_path) as checkpoint:
        assert set(checkpoint.weights.names()) == set(table)
        for name, array in table.items():
            got = checkpoint.weights.raw(name)
            assert (got.dtype, got.shape, got.tobytes()) == (array.dtype, array.shape, array.tobytes())


def test_large_checkpoints_are_sharded_under_the_published_names(tmp_path: Path) -> None:
    save(tmp_path, max_shard_size=2 * NUMBERS.nbytes)
    assert sorted(os.listdir(tmp_path)) == [
        "config.json",
        "generation_config.json",
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "model.safetensors.index.json",
    ]
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    assert index["metadata"] == {"total_size": 3 * NUMBERS.nbytes}
    assert index["weight_map"]["t2"] == "model-00002-of-00002.safetensors"


@pytest.mark.parametrize("first", [1, 24, 48, "1GB"])
@pytest.mark.parametrize("second", [1, 24, 48, "1GB"])
def test_nothing_of_an_earlier_save_is_left_but_the_files_of_others(
    tmp_path: Path, first: int | str, second: int | str
) -> None:
    for name in ("pytorch_model.bin", "tokenizer.json", "model-final.safetensors"):
        (tmp_path / name).write_bytes(b"of others")
    save(tmp_path, max_shard_size=first)
    save(tmp_path / "alone", value=1.0, max_shard_size=second, generation_config=None)
    save(tmp_path, value=1.0, max_shard_size=second, generation_config=None)
    others = {"pytorch_model.bin", "tokenizer.json", "model-final.safetensors", "alone"}
    assert set(os.listdir(tmp_path)) == set(os.listdir(tmp_path / "alone")) | others
    assert load(tmp_path) == load(tmp_path / "alone")


def test_bfloat16_is_saved_from_its_bits(tmp_path: Path) -> None:
    bits = np.array([0x3F80, 0xC000], np.uint16)
    save(tmp_path, weights={"w": ("bfloat16", bits), "plain": bits})
    with CheckpointFolder.open(tmp_path) as checkpoint:
        assert (checkpoint.weights.dtype("w"), checkpoint.weights.dtype("plain")) == ("bfloat16", "uint16")
        assert checkpoint.weights.array("w").tolist() == [1.0, -2.0]


def test_a_checkpoint_can_be_saved_over_the_one_it_was_read_from(tmp_path: Path) -> None:
    save(tmp_path, value=3.0)
    with CheckpointFolder.open(tmp_path) as checkpoint:
        weights = {f"new.{name}": checkpoint.weights.tensor(name) for name in checkpoint.weights.names()}
        before = checkpoint.weights.raw("t0")
        save(tmp_path, weights=weights, max_shard_size=1)
        assert np.array_equal(before, NUMBERS + 3)
    assert load(tmp_path)[2]["new.t0"] == (NUMBERS + 3).tolist()


def test_saving_holds_one_tensor_at_a_time(tmp_path: Path) -> None:
    size = 1 << 20

    def drawn() -> npt.NDArray[Any]:
        return np.ones(size, np.uint8)

    weights = {f"t{n}": StoredTensor(f"t{n}", (size,), "uint8", drawn, place=n) for n in range(16)}
    tracemalloc.start()
    save(tmp_path, weights=weights)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * size


class Killed(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("sizes", [(1, 1), (1, 48), ("1GB", 1), (1, "1GB"), ("1GB", "1GB")])
def test_a_save_killed_at_any_moment_leaves_the_old_or_the_new_checkpoint(
    tmp_path: Path, sizes: tuple[int | str, int | str]
) -> None:
    save(tmp_path / "old", value=1.0, tensors=3, max_shard_size=sizes[0])
    save(tmp_path / "new", value=2.0, tensors=4, max_shard_size=sizes[1], generation_config=None)
    old, new = load(tmp_path / "old"), load(tmp_path / "new")
    outcomes = []
    for moment in range(1, 100):
        folder = tmp_path / str(moment)
        save(folder, value=1.0, tensors=3, max_shard_size=sizes[0])
        with pytest.MonkeyPatch.context() as monkeypatch:
            kill_at(monkeypatch, moment)
            try:
                save(folder, value=2.0, tensors=4, max_shard_size=sizes[1], generation_config=None)
            except Killed:
                outcomes.append(load(folder))
            else:
                break
    assert load(folder) == new
    assert old in outcomes
    assert new in outcomes
    assert all(outcome in (old, new) for outcome in outcomes)


def kill_at(monkeypatch: pytest.MonkeyPatch, moment: int) -> None:
    """From the nth change of the disk on, nothing happens any more."""
    calls = iter(range(1, 1000))

    def guarded(function: Any) -> Any:
        def call(*arguments: Any) -> Any:
            if next(calls) >= moment:
                raise Killed
            return function(*arguments)

        return call

    for name in ("replace", "unlink", "fsync"):
        monkeypatch.setattr(os, name, guarded(getattr(os, name)))


@pytest.mark.parametrize("limit", [1, "1GB"])
def test_a_full_disk_leaves_the_old_checkpoint_and_no_rubbish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int | str
) -> None:
    save(tmp_path, value=1.0)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    flush, calls = os.fsync, iter(range(10))

    def full(descriptor: int) -> None:
        if next(calls) == 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match=r"could not be saved: No space left on device. The checkpoint that was"):
        save(tmp_path, value=2.0, max_shard_size=limit)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_nothing_is_written_of_what_cannot_all_be_saved(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    wrong = {
        "a": np.array(["text"]),
        "b": ("bfloat16", NUMBERS),
        "c": ("float3", NUMBERS),
        "d": NUMBERS,
        "e": NUMBERS.astype(np.complex128),
        "__metadata__": NUMBERS,
    }
    with pytest.raises(
        CheckpointError,
        match=r"(?s)saved has 5 faults.*`a`: .*`b`: .*bfloat16 as uint16.*`c`: .*no type complex128.*need that name",
    ):
        save(folder, weights=wrong)
    with pytest.raises(CheckpointError, match="must be plain JSON values"):
        save(folder, config={"a": {1}})
    with pytest.raises(OptionError, match="`max_shard_size`"):
        save(folder, max_shard_size="much")
    assert not folder.exists()


def test_a_checkpoint_cannot_be_saved_where_a_file_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match=r"file is a file, so no checkpoint can be saved there"):
        save(tmp_path / "file")
    with pytest.raises(CheckpointError, match="could not be saved: Not a directory"):
        save(tmp_path / "file" / "below")


def test_a_checkpoint_is_a_folder_that_exists(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="is a file, but a checkpoint is a folder"):
        CheckpointFolder.open(tmp_path / "file")
    with pytest.raises(CheckpointError, match=r"does not exist. Give the folder that holds config.json"):
        CheckpointFolder.open(tmp_path / "nowhere")


def test_a_folder_without_a_configuration_is_refused(tmp_path: Path) -> None:
    save(tmp_path)
    (tmp_path / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"has no config.json. Copy the one"):
        CheckpointFolder.open(tmp_path)


def test_a_folder_with_a_configuration_alone_has_no_weights_to_give(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    checkpoint = CheckpointFolder.open(tmp_path)
    assert (checkpoint.config, checkpoint.generation_config) == ({}, None)
    with pytest.raises(CheckpointError, match="has no weights"):
        _ = checkpoint.weights
    checkpoint.close()


@pytest.mark.parametrize("name", ["config.json", "generation_config.json"])
def test_a_document_that_is_no_json_is_refused_with_the_place(tmp_path: Path, name: str) -> None:
    save(tmp_path)
    (tmp_path / name).write_text('{"d_model": 4,\n "vocab_size" 5}')
    with pytest.raises(CheckpointError, match=rf"{name} is no JSON: .* at line 2, column 15"):
        CheckpointFolder.open(tmp_path)


def test_a_variant_lies_beside_the_others_and_replaces_only_its_own_kind(tmp_path: Path) -> None:
    save(tmp_path)
    halved = replace(SAFETENSORS, variant="fp16")
    save(tmp_path, form=halved, max_shard_size=24)
    save(tmp_path, form=halved)
    names = {"config.json", "generation_config.json", "model.safetensors", "model.fp16.safetensors"}
    assert set(os.listdir(tmp_path)) == names
