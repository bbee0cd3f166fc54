"""What `torch.save` wrote, read without torch: a pickle of plain containers whose tensors point at storages beside it.

Since torch 1.6 a file is a zip archive (`data.pkl`, `data/0`, `data/1` …), its storages uncompressed and mapped here.
Before that it is five pickles (magic number, protocol, system, content, storage keys) and then the raw storages.
Several tensors may be views of one storage: a tensor is a storage, an offset, a shape and strides, in elements.
"""

from __future__ import annotations

import math
from argparse import Namespace
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from io import BytesIO
from typing import Any

import numpy as np

from bartleby.checkpoints.archive import Archive
from bartleby.checkpoints.pickles import functions, load_pickle
from bartleby.checkpoints.tensors import DTYPES, MAX_RANK, Array, MappedFile, StoredTensor
from bartleby.errors import CheckpointError

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001

FAIRSEQ_METERS = tuple(f"fairseq.meters.{name}" for name in ("AverageMeter", "TimeMeter", "StopwatchMeter"))

STORAGE_TYPES = {
    "torch.DoubleStorage": "float64",
    "torch.FloatStorage": "float32",
    "torch.HalfStorage": "float16",
    "torch.BFloat16Storage": "bfloat16",
    "torch.ComplexFloatStorage": "complex64",
    "torch.ComplexDoubleStorage": "complex128",
    "torch.LongStorage": "int64",
    "torch.IntStorage": "int32",
    "torch.ShortStorage": "int16",
    "torch.CharStorage": "int8",
    "torch.ByteStorage": "uint8",
    "torch.BoolStorage": "bool",
    "torch.storage.UntypedStorage": "uint8",
}


@dataclass(frozen=True)
class StorageType:
    """The class of a storage, which a pickle names but may not call."""

    dtype: str


@dataclass(frozen=True)
class Storage:
    """Numbers of one type in a row, `count` of them from number `start` on of what `read` gives."""

    dtype: str
    count: int
    read: Callable[[], memoryview] = field(repr=False, compare=False)
    place: Hashable
    limit: int
    """No tensor of this storage may have more bytes, however it repeats them: the size of the file."""

    start: int = 0


def read_torch_file(file: MappedFile) -> Any:
    """What was saved, with a `StoredTensor` (without a name) in the place of each tensor.

    Raises: UnsafePickleError if the file asks for more than tensors and plain containers; CheckpointError if it is
        damaged, or was written on a big-endian machine.
    """
    return _read_zip(file) if bytes(file.view(0, min(2, file.size))) == b"PK" else _read_legacy(file)


def state_dict(content: Any, file: MappedFile) -> dict[str, StoredTensor]:
    """The tensors of a file of weights, which is a dictionary of nothing else.

    Raises: CheckpointError if it is something else, with what it is.
    """
    if not isinstance(content, dict):
        raise CheckpointError(f"{file.path} holds a {type(content).__name__}, not named tensors. Give another file.")
    tensors: dict[str, StoredTensor] = {}
    others: list[str] = []
    for name, value in content.items():
        if isinstance(name, str) and isinstance(value, StoredTensor):
            tensors[name] = replace(value, name=name)
        else:
            label = f"`{name[:50]}`" if isinstance(name, str) else f"a key that is a {type(name).__name__}"
            others.append(f"{label} ({type(value).__name__})")
    if others:
        listed = ", ".join(others[:10]) + (f" and {len(others) - 10} others" if len(others) > 10 else "")
        raise CheckpointError(
            f"{file.path} holds more than named tensors: {listed}. "
            "If it is an original of fairseq or ParlAI, convert it first."
        )
    return tensors


def _read_zip(file: MappedFile) -> Any:
    archive = Archive(file)
    if "byteorder" in archive and archive.content("byteorder") != b"little":
        raise CheckpointError(f"{file.path} was written on a big-endian machine. Save it again on another.")

    def storage(identifier: Any) -> Storage:
        dtype, key, count, view = _identifier(identifier)
        if view is not None:
            raise ValueError("a view of a storage in an archive")
        size = count * DTYPES[dtype].itemsize
        archive.check(f"data/{key}", size)
        limit = max(size, file.size)
        return Storage(dtype, count, partial(archive.view, f"data/{key}"), (file.path, key), limit)

    return load_pickle(BytesIO(archive.content("data.pkl")), file.path, KNOWN, storage)


def _read_legacy(file: MappedFile) -> Any:
    file.stream.seek(0)
    load = partial(load_pickle, file.stream, file.path, KNOWN)
    if load() != MAGIC:
        raise CheckpointError(f"{file.path} is a pickle, but none that torch wrote. Use a file of weights.")
    protocol, system = load(), load()
    if protocol != PROTOCOL or not isinstance(system, dict):
        raise CheckpointError(f"{file.path} has another torch protocol than {PROTOCOL}. Save it again with torch 1.6.")
    if system.get("little_endian") is not True:
        raise CheckpointError(f"{file.path} was written on a big-endian machine. Save it again on another.")
    storages: dict[str, tuple[int, int]] = {}
    starts: dict[str, int] = {}

    def storage(identifier: Any) -> Storage:
        dtype, key, count, view = _identifier(identifier)
        item = DTYPES[dtype].itemsize
        size = count * item
        if storages.setdefault(key, (count, item)) != (count, item) or size > file.size:
            raise ValueError(f"storage {key} of {size} bytes")
        whole = Storage(dtype, count, lambda: file.view(starts[key], size), (file.path, key), file.size)
        return whole if view is None else _storage_view(whole, view)

    content = load(storage)
    starts.update(_storage_starts(file, load(), storages))
    return content


def _identifier(identifier: Any) -> tuple[str, str, int, Any]:
    """dtype, key, count and view of what a pickle calls a storage; the device it was on is of no interest."""
    kind, storage_type, key, _, count, *view = identifier
    if kind != "storage" or not isinstance(storage_type, StorageType) or type(key) is not str or len(view) > 1:
        raise ValueError("an object kept elsewhere that is no storage")
    if type(count) is not int or count < 0:
        raise ValueError("a storage without a size")
    return storage_type.dtype, key, count, view[0] if view else None


def _storage_view(whole: Storage, view: Any) -> Storage:
    """Part of a storage as a storage of its own, as torch before 0.4 saved it."""
    _, start, count = view
    if not _are_sizes((start, count)) or start + count > whole.count:
        raise ValueError("a view beyond its storage")
    return replace(whole, start=start, count=count)


def _storage_starts(file: MappedFile, keys: Any, storages: Mapping[str, tuple[int, int]]) -> dict[str, int]:
    """Where each storage begins: behind the pickles, in the order of `keys`, each behind its count in 8 bytes."""
    damaged = f"{file.path} is damaged: its storages are not those of its tensors. Download it again."
    if not isinstance(keys, list) or not all(type(key) is str for key in keys) or sorted(keys) != sorted(storages):
        raise CheckpointError(damaged)
    starts: dict[str, int] = {}
    position = file.stream.tell()
    for key in keys:
        count, item = storages[key]
        if int.from_bytes(file.view(position, 8), "little") != count:
            raise CheckpointError(damaged)
        starts[key] = position + 8
        position += 8 + len(file.view(position + 8, count * item))
    return starts


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *rest: Any) -> StoredTensor:
    """`torch._utils._rebuild_tensor` and its second version: `rest` is gradients and hooks, then lazy conjugation."""
    if not isinstance(storage, Storage) or type(shape) is not tuple or type(strides) is not tuple:
        raise ValueError("a tensor without a storage")
    if not _are_sizes((offset, *shape, *strides)) or len(shape) != len(strides) or len(shape) > MAX_RANK:
        raise ValueError("a tensor without a shape")
    if len(rest) > 2 and rest[2]:
        raise ValueError("a tensor that is conjugated or negated when read")
    item = DTYPES[storage.dtype].itemsize
    if math.prod(shape):
        last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
        if last >= storage.count or math.prod(shape) * item > storage.limit:
            raise ValueError("a tensor beyond its storage")
    read = partial(_read_tensor, storage, offset, shape, strides)
    place = (storage.place, storage.start + offset, shape, strides, storage.dtype)
    return StoredTensor("", shape, storage.dtype, read, place)


def _read_tensor(storage: Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> Array:
    kind = DTYPES[storage.dtype]
    if not math.prod(shape):
        return np.empty(shape, kind)
    start = (storage.start + offset) * kind.itemsize
    view: Array = np.ndarray(shape, kind, storage.read(), start, [stride * kind.itemsize for stride in strides])
    return np.require(view, requirements=("C", "A", "W"))


def _parameter(tensor: Any, *_: Any) -> StoredTensor:
    if not isinstance(tensor, StoredTensor):
        raise ValueError("a parameter without a tensor")
    return tensor


def _size(sizes: Any) -> tuple[int, ...]:
    if type(sizes) is not tuple or not _are_sizes(sizes):
        raise ValueError("a torch.Size that is none")
    return sizes


def _are_sizes(values: tuple[Any, ...]) -> bool:
    return all(type(value) is int and 0 <= value < 1 << 62 for value in values)


KNOWN: dict[str, object] = {
    **{name: StorageType(dtype) for name, dtype in STORAGE_TYPES.items()},
    **functions(
        {
            "torch._utils._rebuild_tensor": _tensor,
            "torch._utils._rebuild_tensor_v2": _tensor,
            "torch._utils._rebuild_parameter": _parameter,
            "torch.Size": _size,
            # Counters of a training run, which older originals of fairseq hold beside the model: attributes, no more.
            **dict.fromkeys(FAIRSEQ_METERS, Namespace),
        }
    ),
}
