"""One checkpoint in several files: which tensors go where, and the index that says so."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bartleby.checkpoints.documents import read_document
from bartleby.checkpoints.tensors import StoredTensor
from bartleby.errors import CheckpointError, OptionError, raise_all

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
SHARD = re.compile(r"model-\d{5}-of-\d{5}\.safetensors")
UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def size_in_bytes(size: int | str) -> int:
    """A shard size in the published spellings: 5000000, "15MB" (of 1000), "2GiB" (of 1024).

    Raises: OptionError for anything else; a small b too, which meant bits in some releases and bytes in others.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?B|[KMG]iB)", size) if isinstance(size, str) else None
    count = int(float(match[1]) * UNITS[match[2].upper()]) if match else size
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise OptionError(
            f'`max_shard_size` must be a positive number of bytes or a text like "15MB" or "2GiB", but is {size!r}.'
        )
    return count


def plan_shards(tensors: Mapping[str, StoredTensor], limit: int) -> dict[str, dict[str, StoredTensor]]:
    """File name -> its tensors, in the given order; a tensor larger than `limit` gets a file of its own."""
    groups: list[dict[str, StoredTensor]] = [{}]
    filled = 0
    for name, tensor in tensors.items():
        if groups[-1] and filled + tensor.nbytes > limit:
            groups.append({})
            filled = 0
        groups[-1][name] = tensor
        filled += tensor.nbytes
    if len(groups) == 1:
        return {SINGLE: groups[0]}
    return {f"model-{number:05}-of-{len(groups):05}.safetensors": group for number, group in enumerate(groups, start=1)}


def index_document(shards: Mapping[str, Mapping[str, StoredTensor]]) -> dict[str, Any]:
    """The index of `shards`, as published."""
    total = sum(tensor.nbytes for group in shards.values() for tensor in group.values())
    return {
        "metadata": {"total_size": total},
        "weight_map": {name: file for file, group in shards.items() for name in group},
    }


def read_index(path: Path) -> dict[str, str]:
    """Tensor name -> name of the file that holds it.

    Raises: CheckpointError if it is no index, or names files outside its own folder.
    """
    entries = read_document(path).get("weight_map")
    if not isinstance(entries, dict) or not entries:
        raise CheckpointError(f"{path} has no `weight_map`, so it is no index of shards. Download it again.")
    outside = sorted({repr(file) for file in entries.values() if not _is_plain_name(file)})
    faults = [f"file {file} is not a plain name in the same folder; nothing outside is read." for file in outside]
    raise_all(CheckpointError, faults, str(path))
    return entries


def _is_plain_name(file: Any) -> bool:
    return isinstance(file, str) and file not in ("", ".", "..") and not set(file) & set("/\\:\0")
