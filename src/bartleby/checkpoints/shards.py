"""One checkpoint in several files: which tensors go where, and the index that says so."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bartleby.checkpoints.tensors import StoredTensor
from bartleby.documents import read_document
from bartleby.errors import CheckpointError, OptionError, raise_all

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
VARIANT = re.compile(r"[A-Za-z0-9_-]+")
UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def with_variant(file_name: str, variant: str | None) -> str:
    """The name of a file of weights in a variant, as published: "model.fp16.safetensors", "….index.fp16.json".

    Raises: OptionError if the variant cannot be part of a file name.
    """
    if variant is None:
        return file_name
    if not isinstance(variant, str) or not VARIANT.fullmatch(variant):
        raise OptionError(f"`variant` must be letters, digits, - and _ like in 'fp16', but is {variant!r}.")
    stem, _, ending = file_name.rpartition(".")
    return f"{stem}.{variant}.{ending}"


def index_name(single: str, variant: str | None = None) -> str:
    """The index of a container whose single file is called `single`: "model.safetensors.index.fp16.json"."""
    return with_variant(f"{single}.index.json", variant)


def shard_name(number: int, total: int, variant: str | None = None, single: str = SINGLE) -> str:
    """The name of one of several files: "model-00001-of-00002.safetensors", "model.fp16-00001-of-00002.safetensors"."""
    stem, _, ending = with_variant(single, variant).rpartition(".")
    return f"{stem}-{number:05}-of-{total:05}.{ending}"


def is_shard(file_name: str, variant: str | None = None, single: str = SINGLE) -> bool:
    """Whether a file is called as one of several is."""
    stem, _, ending = with_variant(single, variant).rpartition(".")
    return re.fullmatch(re.escape(stem) + r"-\d{5}-of-\d{5}\." + re.escape(ending), file_name) is not None


def size_in_bytes(size: int | str) -> int:
    """A shard size in the published spellings: 5000000, "15MB" or "200kB" (of 1000), "2GiB" (of 1024).

    Raises: OptionError for anything else; a small b too, which meant bits in some releases and bytes in others.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kKMGT]?B|[KMG]iB)", size) if isinstance(size, str) else None
    count = int(float(match[1]) * UNITS[match[2].upper()]) if match else size
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise OptionError(
            f'`max_shard_size` must be a positive number of bytes or a text like "15MB" or "2GiB", but is {size!r}.'
        )
    return count


def plan_shards(
    tensors: Mapping[str, StoredTensor], limit: int, variant: str | None = None, single: str = SINGLE
) -> dict[str, dict[str, StoredTensor]]:
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
        return {with_variant(single, variant): groups[0]}
    return {shard_name(number, len(groups), variant, single): group for number, group in enumerate(groups, start=1)}


def index_document(
    shards: Mapping[str, Mapping[str, StoredTensor]], listed: Callable[[str], str] = str
) -> dict[str, Any]:
    """The index of `shards`, as published; `listed` says what it calls a tensor."""
    total = sum(tensor.nbytes for group in shards.values() for tensor in group.values())
    return {
        "metadata": {"total_size": total},
        "weight_map": {listed(name): file for file, group in shards.items() for name in group},
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
