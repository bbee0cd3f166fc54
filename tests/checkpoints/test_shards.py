import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bartleby.checkpoints.shards import (
    index_document,
    is_shard,
    plan_shards,
    read_index,
    size_in_bytes,
    with_variant,
)
from bartleby.checkpoints.tensors import StoredTensor, held
from bartleby.errors import CheckpointError, OptionError


def tensors(*sizes: int) -> dict[str, StoredTensor]:
    return {f"t{number}": held(np.zeros(size, np.uint8)) for number, size in enumerate(sizes)}


@pytest.mark.parametrize(
    ("size", "count"),
    [
        (7, 7),
        ("200kB", 200_000),
        ("5GB", 5 * 10**9),
        ("15MB", 15 * 10**6),
        ("2GiB", 2 << 30),
        ("10 KB", 10_000),
        ("1.5GB", 1_500_000_000),
    ],
)
def test_sizes_in_the_published_spellings(size: int | str, count: int) -> None:
    assert size_in_bytes(size) == count


@pytest.mark.parametrize("size", [0, -1, "0GB", "5", "5gb", "5Gb", "GB", "", "5GB!", None, True, 1.5])
def test_other_sizes_are_refused(size: Any) -> None:
    with pytest.raises(OptionError, match="`max_shard_size` must be a positive number of bytes"):
        size_in_bytes(size)


def test_what_fits_goes_into_one_file() -> None:
    assert list(plan_shards(tensors(4, 6), 10)) == ["model.safetensors"]


def test_what_does_not_fit_is_numbered() -> None:
    shards = plan_shards(tensors(4, 6, 1), 10)
    assert {file: list(group) for file, group in shards.items()} == {
        "model-00001-of-00002.safetensors": ["t0", "t1"],
        "model-00002-of-00002.safetensors": ["t2"],
    }


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 20), max_size=12), st.integers(1, 30))
def test_every_tensor_is_in_one_shard_and_shards_keep_the_limit_where_they_can(sizes: list[int], limit: int) -> None:
    given_tensors = tensors(*sizes)
    shards = plan_shards(given_tensors, limit)
    assert [name for group in shards.values() for name in group] == list(given_tensors)
    for group in shards.values():
        assert len(group) <= 1 or sum(tensor.nbytes for tensor in group.values()) <= limit


def test_the_index_says_where_each_tensor_is_and_how_large_all_are() -> None:
    assert index_document(plan_shards(tensors(4, 6), 6)) == {
        "metadata": {"total_size": 10},
        "weight_map": {"t0": "model-00001-of-00002.safetensors", "t1": "model-00002-of-00002.safetensors"},
    }


@pytest.mark.parametrize("file", ["../secret", "/etc/passwd", "a/b", "..", "", "c:\\x", "x\0", 3, None, ["a"]])
def test_an_index_may_not_name_files_elsewhere(tmp_path: Path, file: object) -> None:
    path = tmp_path / "model.safetensors.index.json"
    path.write_text(json.dumps({"weight_map": {"a": "model-00001-of-00001.safetensors", "b": file}}))
    with pytest.raises(CheckpointError, match="is not a plain name in the same folder"):
        read_index(path)


@pytest.mark.parametrize("document", [{}, {"weight_map": []}, {"weight_map": {}}])
def test_a_document_without_a_weight_map_is_no_index(tmp_path: Path, document: dict[str, object]) -> None:
    path = tmp_path / "model.safetensors.index.json"
    path.write_text(json.dumps(document))
    with pytest.raises(CheckpointError, match="has no `weight_map`"):
        read_index(path)


def test_a_variant_is_part_of_every_name() -> None:
    assert list(plan_shards(tensors(1), 10, "fp16")) == ["model.fp16.safetensors"]
    names = list(plan_shards(tensors(4, 6), 6, "fp16"))
    assert names == ["model.fp16-00001-of-00002.safetensors", "model.fp16-00002-of-00002.safetensors"]
    assert all(is_shard(name, "fp16") and not is_shard(name) for name in names)
    assert with_variant("model.safetensors.index.json", "fp16") == "model.safetensors.index.fp16.json"
    assert with_variant("pytorch_model.bin", None) == "pytorch_model.bin"


@pytest.mark.parametrize("variant", ["", "a/b", "..", "fp 16", 16])
def test_a_variant_that_is_no_part_of_a_name_is_refused(variant: Any) -> None:
    with pytest.raises(OptionError, match="`variant` must be letters"):
        with_variant("model.safetensors", variant)
