"""Flax's weights in a MessagePack file (`flax_model.msgpack`), read in place; written by `msgpack_writing`.

The file is one tree of maps with text keys. A leaf is an extension of code 1 (an array) or 3 (a single number) around
the array (shape, name of the type, bytes). Arrays of more than 1 GiB are cut in chunks: such a leaf is a map with the
key `__msgpack_chunked_array__`. Our own reader because the library's copies all weights, and does not look at sizes.
Source: github.com/msgpack/msgpack, spec.md; flax.serialization.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from bartleby.checkpoints.tensors import DTYPES, MAX_RANK, Array, MappedFile, StoredTensor
from bartleby.errors import CheckpointError

CHUNKED = "__msgpack_chunked_array__"
ARRAY, NUMBER = 1, 3
DEEPEST, MOST_VALUES = 24, 1_000_000
"""Twice as deep as any published file, and a thousand times as many values."""

WIDTHS = {  # first byte -> how many bytes of length follow
    **{0xC4 + n: 1 << n for n in range(3)},  # bytes
    **{0xC7 + n: 1 << n for n in range(3)},  # extensions
    **{0xD9 + n: 1 << n for n in range(3)},  # text
    **{0xDC + n: 2 << n for n in range(2)},  # arrays
    **{0xDE + n: 2 << n for n in range(2)},  # maps
}
CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}


@dataclass(frozen=True)
class Leaf:
    """An array in the file: its numbers begin at byte `start`."""

    dtype: str
    shape: tuple[int, ...]
    start: int

    @property
    def size(self) -> int:
        return math.prod(self.shape)


Tree = dict[str, Any]


def looks_like_msgpack(start: bytes) -> bool:
    """Whether a file that begins with these bytes is a map with a text key; no pickle begins so."""
    return re.match(rb"[\x81-\x8f][\xa1-\xbf\xd9]", start) is not None


def read_msgpack(file: MappedFile) -> list[StoredTensor]:
    """Every array of the tree under its path, its levels joined by "/", not yet read.

    Raises: CheckpointError if the file is damaged, or holds more than arrays.
    """
    reader = _Reader(file)
    try:
        tree = reader.value()
        if not isinstance(tree, dict) or reader.position != file.size:
            raise ValueError("not one map from names to arrays")
        return list(_tensors(file, tree))
    except (ValueError, IndexError, TypeError, OverflowError) as error:
        raise CheckpointError(
            f"{file.path} is damaged or no file of Flax's weights: {str(error)[:200]}. Download or copy it again."
        ) from None


class _Reader:
    """Walks the file from front to back; arrays are noted, not read."""

    def __init__(self, file: MappedFile) -> None:
        self.file = file
        self.position = 0
        self.count = 0

    def take(self, length: int) -> bytes:
        """The next bytes."""
        self.position += length
        return bytes(self.file.view(self.position - length, length))

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width), "big")

    def value(self, depth: int = 0) -> Any:
        """The next value: a map, a list, an array as a `Leaf`, text, a number or a constant."""
        self.count += 1
        if depth > DEEPEST or self.count > MOST_VALUES:
            raise ValueError(f"more than {MOST_VALUES} values, or {DEEPEST} in each other")
        first = self.number(1)
        if first < 0x80:
            return first
        if first in CONSTANTS:
            return CONSTANTS[first]
        if 0xCC <= first <= 0xCF:  # numbers without a sign
            return self.number(1 << (first - 0xCC))
        if 0xD4 <= first <= 0xD8:  # extensions of 1, 2, 4, 8 and 16 bytes
            return self.leaf(1 << (first - 0xD4))
        return self.long(first, depth)

    def long(self, first: int, depth: int) -> Any:
        """A value of any length."""
        length = self.number(WIDTHS[first]) if first in WIDTHS else first & (0x1F if first >= 0xA0 else 0x0F)
        if first <= 0x8F or first in (0xDE, 0xDF):
            return self.map(length, depth)
        if first <= 0x9F or first in (0xDC, 0xDD):
            return [self.value(depth + 1) for _ in range(length)]
        if first <= 0xBF or 0xD9 <= first <= 0xDB:
            return self.take(length).decode()
        if 0xC7 <= first <= 0xC9:
            return self.leaf(length)
        raise ValueError(f"a value of kind 0x{first:02x} before byte {self.position}")

    def map(self, length: int, depth: int) -> Tree:
        entries: Tree = {}
        for _ in range(length):
            key = self.value(depth + 1)
            if not isinstance(key, str) or key in entries:
                raise ValueError(f"a name that is no text, or that occurs twice, before byte {self.position}")
            entries[key] = self.value(depth + 1)
        return entries

    def leaf(self, length: int) -> Leaf:
        """An extension, which must be an array: its bytes are passed over."""
        code = self.number(1)
        end = self.position + length
        if code not in (ARRAY, NUMBER) or self.number(1) != 0x93:
            raise ValueError(f"an extension of code {code} that is no array, before byte {self.position}")
        shape, dtype, kind = self.value(DEEPEST - 1), self.value(DEEPEST - 1), self.number(1)
        if not 0xC4 <= kind <= 0xC6 or dtype not in DTYPES:
            raise ValueError(f"an array of type {dtype!r:.40}; this library reads {', '.join(DTYPES)}")
        size = self.number(WIDTHS[kind])
        leaf = Leaf(dtype, checked_shape(shape), self.position)
        if leaf.size * DTYPES[dtype].itemsize != size or self.position + size != end:
            raise ValueError(f"an array of shape {leaf.shape} in {size} bytes")
        self.file.view(self.position, size)  # refuses what the file does not hold
        self.position = end
        return leaf


def checked_shape(sizes: Any) -> tuple[int, ...]:
    """Raises: ValueError if it is no list of a few whole numbers."""
    if not isinstance(sizes, list) or len(sizes) > MAX_RANK or not all(type(size) is int for size in sizes):
        raise ValueError("an array without a shape")
    return tuple(sizes)


def _tensors(file: MappedFile, tree: Tree, prefix: str = "") -> Iterator[StoredTensor]:
    for key, value in tree.items():
        path = f"{prefix}{key}"
        if isinstance(value, Leaf):
            yield _tensor(file, path, value.shape, [value])
        elif isinstance(value, dict) and CHUNKED in value:
            yield _tensor(file, path, checked_shape(_listed(value.get("shape"))), _listed(value.get("chunks")))
        elif isinstance(value, dict):
            yield from _tensors(file, value, f"{path}/")
        else:
            raise ValueError(f"`{path[:99]}` is a {type(value).__name__}, not an array")


def _listed(numbered: Any) -> list[Any]:
    """Flax's way to write a tuple: {"0": …, "1": …}."""
    if not isinstance(numbered, dict) or not all(str(number) in numbered for number in range(len(numbered))):
        raise ValueError("a chunked array without a shape or chunks")
    return [numbered[str(number)] for number in range(len(numbered))]


def _tensor(file: MappedFile, path: str, shape: tuple[int, ...], chunks: list[Any]) -> StoredTensor:
    if not chunks or not all(isinstance(chunk, Leaf) and chunk.dtype == chunks[0].dtype for chunk in chunks):
        raise ValueError(f"`{path[:99]}` has chunks that are no arrays of one type")
    if sum(chunk.size for chunk in chunks) != math.prod(shape):
        raise ValueError(f"`{path[:99]}` has chunks that do not fill its shape {shape}")
    read = partial(_read, file, shape, chunks)
    return StoredTensor(path, shape, chunks[0].dtype, read, place=(file.path, chunks[0].start))


def _read(file: MappedFile, shape: tuple[int, ...], chunks: list[Leaf]) -> Array:
    dtype = DTYPES[chunks[0].dtype]
    views: list[Array] = [
        np.ndarray((chunk.size,), dtype, file.view(chunk.start, chunk.size * dtype.itemsize)) for chunk in chunks
    ]
    array = views[0] if len(views) == 1 else np.concatenate(views)
    return np.require(array.reshape(shape), requirements=("C", "A"))
