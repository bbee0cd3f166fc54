"""TensorFlow's weights in an HDF5 file (`tf_model.h5`), read in place and written under the published names.

A whole file has a group for each of the model's outermost layers, and in it the datasets, each at a path that is its
full name; a shard has the datasets alone. Attributes list them (`layer_names`, `weight_names`); they are written here
for Keras, but not read: only what hangs in the tree by hard links is a tensor of the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bartleby.checkpoints.archive import UNPACKED_LIMIT, UNPACKED_RATIO
from bartleby.checkpoints.layouts import is_turned, tensorflow_order, to_tensorflow
from bartleby.checkpoints.tensors import DTYPES, MAX_RANK, Array, MappedFile, StoredTensor
from bartleby.errors import CheckpointError, need_extra, raise_all

if TYPE_CHECKING:
    import h5py  # type: ignore[import-untyped]

SIGNATURE = b"\x89HDF\r\n\x1a\n"
DEEPEST, MOST_NAMES = 24, 200_000
"""Twice as deep as any published file, and a hundred times as many names; a hard link may lead into a circle."""

LIBRARY_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, OverflowError)
ATTRIBUTE_LIMIT = 64512
"""Bytes of an attribute: HDF5 keeps it in an object header. Longer lists are cut in pieces with a number behind."""


def read_h5(file: MappedFile) -> list[StoredTensor]:
    """Every dataset of the file under its path, not yet read.

    Raises: MissingExtraError without h5py; CheckpointError with all that is damaged, dangerous or no tensor.
    """
    need_extra("convert", "Reading TensorFlow's .h5 weights")
    import h5py

    faults: list[str] = []
    tensors: list[StoredTensor] = []
    size = 0
    try:
        with h5py.File(file.path, "r") as content:
            for path, item in _datasets(content, faults):
                fault = _fault(item)
                if fault:
                    faults.append(f"`{path}` {fault}")
                    continue
                size += item.nbytes
                if size > UNPACKED_LIMIT + UNPACKED_RATIO * file.size:
                    raise ValueError(f"its arrays unpack to more than {size} bytes, which no weights do")
                tensors.append(_tensor(file, path, item))
    except CheckpointError:
        raise
    except LIBRARY_ERRORS as error:
        raise CheckpointError(
            f"{file.path} is damaged or no HDF5 file ({str(error)[:200]}). Download or copy it again."
        ) from None
    raise_all(CheckpointError, faults, str(file.path))
    return tensors


def _datasets(root: h5py.Group, faults: list[str]) -> Iterator[tuple[str, h5py.Dataset]]:
    """What hangs in the tree by hard links, with its path; links that lead elsewhere are faults."""
    import h5py

    waiting = [("", root)]
    count = 0
    while waiting:
        prefix, group = waiting.pop()
        for name in group:
            path, count = f"{prefix}{name}", count + 1
            if count > MOST_NAMES or path.count("/") > DEEPEST:
                raise ValueError(f"more than {MOST_NAMES} names, or {DEEPEST} groups in each other")
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                faults.append(f"`{path}` is a link to another place or file; only what is in the file is read.")
                continue
            item = group[name]
            if isinstance(item, h5py.Group):
                waiting.append((f"{path}/", item))
            elif isinstance(item, h5py.Dataset):
                yield path, item
            else:
                faults.append(f"`{path}` is neither a group nor an array.")


def _fault(item: h5py.Dataset) -> str | None:
    """Why a dataset is no tensor that can be read, for the end of a sentence."""
    if item.external or item.is_virtual:
        return "keeps its numbers in other files; only what is in the file is read."
    if item.shape is None or len(item.shape) > MAX_RANK:
        return "has no shape."
    if _dtype_name(item.dtype) is None:
        return f"has type {item.dtype}; this library reads {', '.join(DTYPES)}."
    return None


def _dtype_name(dtype: np.dtype[Any]) -> str | None:
    names = (name for name, known in DTYPES.items() if name != "bfloat16" and known == dtype.newbyteorder("<"))
    return next(names, None)


def _tensor(file: MappedFile, path: str, item: h5py.Dataset) -> StoredTensor:
    """Mapped where the numbers lie in one piece as they are, as they do in every published file; else copied now."""
    name = str(_dtype_name(item.dtype))
    dtype, shape = DTYPES[name], tuple(item.shape)
    offset = item.id.get_offset()
    if offset is not None and item.chunks is None and item.dtype == dtype:
        read = partial(_mapped, file, offset, shape, dtype)
        file.view(offset, item.nbytes)  # now, so that a file cut short is noticed when it is opened
        return StoredTensor(path, shape, name, read, place=(file.path, offset, item.nbytes > 0 or path))
    copied = np.require(item[()], dtype, ("C", "A", "W")).reshape(shape)
    return StoredTensor(path, shape, name, lambda: copied, place=(file.path, path))


def _mapped(file: MappedFile, offset: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    array: Array = np.ndarray(shape, dtype, file.view(offset, size))
    return np.require(array, requirements=("C", "A"))


def write_h5(path: Path, tensors: Mapping[str, StoredTensor], root: str, replace: bool = False) -> None:
    """Write a file of canonical `tensors`, as Keras saves a model called `root`; one tensor is held at a time.

    Raises: MissingExtraError without h5py; CheckpointError if a tensor has a type that HDF5 lacks (bfloat16); OSError
        if there is such a file already and `replace` does not allow it.
    """
    h5py = _writing_library(tensors)
    layers: dict[str, list[str]] = {}
    with h5py.File(path, "w" if replace else "x") as file:
        for name in sorted(tensors, key=tensorflow_order):
            written, layer = to_tensorflow(name, root), name.split(".")[0]
            layers.setdefault(layer, []).append(written)
            _write_tensor(file, f"{layer}/{written}", tensors[name])
        for layer, names in layers.items():
            _list_names(file[layer], "weight_names", names)
        _list_names(file.create_group("top_level_model_weights"), "weight_names", [])
        _list_names(file, "layer_names", list(layers))
        file.attrs["backend"] = "tensorflow"


def write_h5_shard(path: Path, tensors: Mapping[str, StoredTensor], root: str) -> None:
    """Write one of several files, in the place of what is there: the datasets alone, under names without the root.

    Raises: as `write_h5`.
    """
    h5py = _writing_library(tensors)
    names = {to_tensorflow(name, root).removeprefix(f"{root}/"): name for name in tensors}
    with h5py.File(path, "w") as file:
        for written in sorted(names):
            _write_tensor(file, written, tensors[names[written]])
        _list_names(file, "layer_names", sorted(names))


def _writing_library(tensors: Mapping[str, StoredTensor]) -> Any:
    need_extra("convert", "Writing TensorFlow's .h5 weights")
    import h5py

    unknown = [f"`{name}` is bfloat16, which HDF5 lacks." for name, each in tensors.items() if each.dtype == "bfloat16"]
    raise_all(CheckpointError, unknown, "The weights to be saved")
    return h5py


def _write_tensor(file: h5py.File, name: str, tensor: StoredTensor) -> None:
    raw = tensor.raw()
    file.create_dataset(name, data=raw.T if is_turned(name) else raw)


def _list_names(group: h5py.Group, attribute: str, names: list[str]) -> None:
    """Keras's way to list many names in attributes that must be short."""
    encoded = [name.encode() for name in names]
    pieces = [encoded]
    while any(np.asarray(piece).nbytes > ATTRIBUTE_LIMIT for piece in pieces):
        pieces = [piece.tolist() for piece in np.array_split(np.asarray(encoded), len(pieces) + 1)]
    for number, piece in enumerate(pieces):
        group.attrs[attribute if len(pieces) == 1 else f"{attribute}{number}"] = piece
