"""Flax's weights written as Flax writes them, see `msgpack_file`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np

from bartleby.checkpoints.layouts import is_turned, to_flax, turned
from bartleby.checkpoints.msgpack_file import ARRAY, CHUNKED
from bartleby.checkpoints.tensors import Array, StoredTensor

CHUNK_BYTES = 1 << 30
"""Flax's: MessagePack has no room for more than 4 GiB in one value, and older readers for half of it."""


def write_msgpack(file: BinaryIO, tensors: Mapping[str, StoredTensor], bare: bool = False) -> None:
    """Write a whole file of canonical `tensors`, as Flax saves a model with a head, or a `bare` one."""
    named = {to_flax(name, bare): tensor for name, tensor in tensors.items()}
    write_arrays(file, {name: turned(tensor) if is_turned(name) else tensor for name, tensor in named.items()})


def write_arrays(file: BinaryIO, tensors: Mapping[str, StoredTensor]) -> None:
    """Write a whole file of arrays under any names, one array in memory at a time; "/" parts the levels of the tree."""
    tree: dict[str, Any] = {}
    for path, tensor in tensors.items():
        *levels, leaf = path.split("/")
        branch = tree
        for level in levels:
            branch = branch.setdefault(level, {})
        branch[leaf] = tensor
    _write_tree(file, tree)


def _write_tree(file: BinaryIO, tree: dict[str, Any]) -> None:
    file.write(_head(0x80, 0x0F, 0xDE, len(tree)))
    for key, value in tree.items():
        file.write(_text(key))
        if isinstance(value, dict):
            _write_tree(file, value)
        elif value.nbytes > CHUNK_BYTES:
            _write_chunks(file, value)
        else:
            _write_array(file, value.dtype, value.shape, value.raw())


def _write_chunks(file: BinaryIO, tensor: StoredTensor) -> None:
    flat = tensor.raw().reshape(-1)
    step = CHUNK_BYTES // flat.itemsize
    starts = range(0, flat.size, step)
    file.write(_head(0x80, 0x0F, 0xDE, 3) + _text(CHUNKED) + b"\xc3" + _text("shape"))
    file.write(_head(0x80, 0x0F, 0xDE, len(tensor.shape)))
    for number, size in enumerate(tensor.shape):
        file.write(_text(str(number)) + _whole(size))
    file.write(_text("chunks") + _head(0x80, 0x0F, 0xDE, len(starts)))
    for number, start in enumerate(starts):
        chunk = flat[start : start + step]
        file.write(_text(str(number)))
        _write_array(file, tensor.dtype, chunk.shape, chunk)


def _write_array(file: BinaryIO, dtype: str, shape: tuple[int, ...], raw: Array) -> None:
    data = np.ascontiguousarray(raw).reshape(-1).view(np.uint8).data
    sizes = b"".join(map(_whole, shape))
    front = b"\x93" + _head(0x90, 0x0F, 0xDC, len(shape)) + sizes + _text(dtype) + _sized(0xC4, len(data))
    file.write(_extension(len(front) + len(data)) + front)
    file.write(data)


def _extension(length: int) -> bytes:
    """The head of an array's extension; a few lengths have one of their own."""
    short = {1 << n: 0xD4 + n for n in range(5)}.get(length)
    return (bytes([short]) if short else _sized(0xC7, length)) + bytes([ARRAY])


def _text(text: str) -> bytes:
    content = text.encode()
    return (bytes([0xA0 | len(content)]) if len(content) < 32 else _sized(0xD9, len(content))) + content


def _head(short: int, most: int, first: int, length: int) -> bytes:
    """The head of a map or list, which have no one-byte lengths."""
    if length <= most:
        return bytes([short | length])
    return (
        bytes([first]) + length.to_bytes(2, "big")
        if length < 1 << 16
        else bytes([first + 1]) + length.to_bytes(4, "big")
    )


def _sized(first: int, length: int) -> bytes:
    """A kind and a length in one, two or four bytes."""
    step = 0 if length < 1 << 8 else 1 if length < 1 << 16 else 2
    return bytes([first + step]) + length.to_bytes(1 << step, "big")


def _whole(number: int) -> bytes:
    """A whole number in as few bytes as can be."""
    if number < 0x80:
        return bytes([number])
    step = next(step for step in range(4) if number < 1 << (8 << step))
    return bytes([0xCC + step]) + number.to_bytes(1 << step, "big")
