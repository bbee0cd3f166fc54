"""Safetensors files, read without copying and written one tensor at a time.

A file is: the length of the header (8 bytes, little-endian), the header (JSON: name -> dtype, shape, data_offsets),
and the data, in which every byte belongs to exactly one tensor. Our own reader rather than the library's, because the
library has no NumPy bfloat16 and serialises through a second copy of all weights.
Source: github.com/huggingface/safetensors, "Format".
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, BinaryIO, TypeGuard

import numpy as np

from bartleby.checkpoints.tensors import DTYPES, MAX_RANK, Array, MappedFile, StoredTensor
from bartleby.errors import CheckpointError, raise_all

TAGS: dict[str, str] = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "C64": "complex64",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
}
HEADER_LIMIT = 100_000_000  # the format's own
ALIGNMENT = 64  # the data starts at a cache line, so mapped tensors need no copy to be aligned
CHUNK = 1 << 24


def read_safetensors(file: MappedFile) -> dict[str, StoredTensor]:
    """Every tensor of the file, not yet read.

    Raises: CheckpointError with all that is wrong with the header.
    """
    header, start = _header(file)
    header.pop("__metadata__", None)
    faults: list[str] = []
    tensors: dict[str, StoredTensor] = {}
    extents: list[tuple[int, int, str]] = []
    for name, entry in header.items():
        fault = _entry_fault(entry)
        if fault:
            faults.append(f"tensor `{name}` {fault}")
            continue
        begin, end = entry["data_offsets"]
        extents.append((begin, end, name))
        shape, dtype = tuple(entry["shape"]), TAGS[entry["dtype"]]
        read = partial(_read, file, start + begin, shape, dtype)
        tensors[name] = StoredTensor(name, shape, dtype, read, place=(file.path, start + begin, end > begin or name))
    if not faults:
        faults.extend(_extent_faults(extents, file.size - start))
    raise_all(CheckpointError, faults, str(file.path))
    return tensors


def written_by(file: MappedFile) -> str:
    """Which framework's names and layout the file says that it has: pt, tf or flax; "" if it does not say."""
    metadata = _header(file)[0].get("__metadata__")
    said = metadata.get("format") if isinstance(metadata, dict) else None
    return said if isinstance(said, str) else ""


def _header(file: MappedFile) -> tuple[dict[str, Any], int]:
    """The parsed header and where the data starts."""
    damaged = f"{file.path} is cut short or is no safetensors file"
    if file.size < 8:
        raise CheckpointError(f"{damaged}: it has {file.size} bytes. Download or copy it again.")
    length = int.from_bytes(file.view(0, 8), "little")
    if length > min(HEADER_LIMIT, file.size - 8):
        raise CheckpointError(f"{damaged}: its header should have {length} bytes. Download or copy it again.")
    try:
        header = json.loads(str(file.view(8, length), "utf-8"), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{damaged}: its header is no JSON ({error}). Download or copy it again.") from None
    if not isinstance(header, dict):
        raise CheckpointError(f"{damaged}: its header is no JSON object. Download or copy it again.")
    return header, 8 + length


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) < len(pairs):
        raise ValueError("a name occurs twice")
    return entries


def _entry_fault(entry: Any) -> str | None:
    """What is wrong with one entry of the header, for the end of a sentence."""
    if not isinstance(entry, dict):
        return "has no description."
    dtype, shape, offsets = (entry.get(key, None) for key in ("dtype", "shape", "data_offsets"))
    if not isinstance(dtype, str) or dtype not in TAGS:
        return f"has type {dtype!r}; this library reads {', '.join(TAGS)}."
    if not _is_sizes(shape) or len(shape) > MAX_RANK:
        return f"has shape {shape!r}, which is none."
    if not _is_sizes(offsets) or len(offsets) != 2:
        return f"has data_offsets {offsets!r}, which are none."
    expected = math.prod(shape) * DTYPES[TAGS[dtype]].itemsize
    if offsets[1] - offsets[0] != expected:
        return f"needs {expected} bytes for shape {shape}, but has {offsets[1] - offsets[0]}."
    return None


def _is_sizes(value: Any) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(type(item) is int and 0 <= item < 1 << 63 for item in value)


def _extent_faults(extents: list[tuple[int, int, str]], size: int) -> Iterable[str]:
    """Gaps, overlaps and a wrong end: the tensors must tile the data."""
    position = 0
    for begin, end, name in sorted(extents):
        if begin != position:
            yield f"tensor `{name}` should start at byte {position} of the data, but starts at {begin}."
            return
        position = end
    if position != size:
        yield f"the tensors take {position} bytes, but the file holds {size}. Download or copy it again."


def _read(file: MappedFile, start: int, shape: tuple[int, ...], dtype: str) -> Array:
    kind = DTYPES[dtype]
    view = file.view(start, math.prod(shape) * kind.itemsize)
    array: Array = np.ndarray(shape, kind, view)
    return np.require(array, requirements=("C", "A"))


def write_safetensors(file: BinaryIO, tensors: Mapping[str, StoredTensor]) -> None:
    """Write a whole file, holding no more than one tensor at a time beyond what the caller holds.

    `{"format": "pt"}` is declared because the reference library refuses files without it.
    """
    # Widest types first: every tensor then starts at a multiple of its item size.
    order = sorted(tensors, key=lambda name: (-DTYPES[tensors[name].dtype].itemsize, name))
    file.write(_header_bytes({name: tensors[name] for name in order}))
    for name in order:
        raw = np.ascontiguousarray(tensors[name].raw())
        view = raw.reshape(-1).view(np.uint8).data
        for start in range(0, len(view), CHUNK):
            file.write(view[start : start + CHUNK])


def _header_bytes(tensors: Mapping[str, StoredTensor]) -> bytes:
    tags = {dtype: tag for tag, dtype in TAGS.items()}
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    position = 0
    for name, tensor in tensors.items():
        end = position + tensor.nbytes
        header[name] = {"dtype": tags[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [position, end]}
        position = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-(8 + len(text)) % ALIGNMENT)
    return len(text).to_bytes(8, "little") + text
