"""One tensor of a file: its name, shape and type, and its bytes when they are asked for.

NumPy has no bfloat16: such a tensor travels as its bits in uint16 (`raw`) and is widened exactly to float32 (`array`).
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import numpy.typing as npt

from bartleby.documents import refuse_pointer
from bartleby.errors import CheckpointError

Array = npt.NDArray[Any]

DTYPES: dict[str, np.dtype[Any]] = {
    "float64": np.dtype("<f8"),
    "float32": np.dtype("<f4"),
    "float16": np.dtype("<f2"),
    "bfloat16": np.dtype("<u2"),  # its bits
    "complex64": np.dtype("<c8"),
    "complex128": np.dtype("<c16"),
    "int64": np.dtype("<i8"),
    "int32": np.dtype("<i4"),
    "int16": np.dtype("<i2"),
    "int8": np.dtype("<i1"),
    "uint64": np.dtype("<u8"),
    "uint32": np.dtype("<u4"),
    "uint16": np.dtype("<u2"),
    "uint8": np.dtype("<u1"),
    "bool": np.dtype("?"),
}
"""How the numbers of each type lie in a file and in `raw`; published files are little-endian."""

MAX_RANK = 32
"""More axes than any model has, and as many as every NumPy allows."""


@dataclass(frozen=True)
class StoredTensor:
    """A tensor that is read when `raw` or `array` is called, not before."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    read: Callable[[], Array] = field(repr=False, compare=False)
    place: Hashable = field(repr=False, compare=False)
    """Equal places hold the same bytes: tensors that shared memory when they were saved."""

    origin: str = field(default="", repr=False, compare=False)
    """What the file calls it, where that is another framework's name."""

    def raw(self) -> Array:
        """The numbers as stored, bfloat16 as its bits; C-contiguous, aligned and writable.

        Mapped memory where the file allows it: writing to the array changes this process's copy, never the file.
        """
        return self.read()

    def array(self) -> Array:
        """The numbers in a type NumPy can compute with: bfloat16 widened to float32, all others as stored."""
        return widened(self.read()) if self.dtype == "bfloat16" else self.read()

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * DTYPES[self.dtype].itemsize


def widened(bits: Array) -> npt.NDArray[np.float32]:
    """The float32 numbers of bfloat16 bits: bfloat16 is the upper half of a float32, so nothing is rounded."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def held(array: Array) -> StoredTensor:
    """An array already in memory as a stored tensor.

    Raises: CheckpointError if files have no such type.
    """
    names = [name for name, dtype in DTYPES.items() if dtype == array.dtype.newbyteorder("<") and name != "bfloat16"]
    if not names:
        known = ", ".join(DTYPES)
        raise CheckpointError(f"A tensor to be saved must have one of the types {known}, but has {array.dtype}.")
    little = array.astype(DTYPES[names[0]], copy=False)
    return StoredTensor("", array.shape, names[0], lambda: little, place=id(array))


class MappedFile:
    """A file's bytes as private mapped memory: pages are read when touched, and changes stay in this process."""

    def __init__(self, path: Path) -> None:
        """Raises: CheckpointError if there is nothing to map, with the reason and what to do."""
        self.path = path
        try:
            with path.open("rb") as file:
                self._map: mmap.mmap | None = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        except ValueError:
            raise CheckpointError(f"{path} is empty. Download or copy it again.") from None
        except OSError as error:
            raise CheckpointError(f"{path} cannot be read: {error.strerror or error}.") from error
        self.size = len(self._map)
        refuse_pointer(path, bytes(self._map[:64]))

    @property
    def stream(self) -> IO[bytes]:
        """The bytes as a file to read from, sharing one position.

        Raises: CheckpointError if the file was closed.
        """
        if self._map is None:
            raise self._closed()
        return cast(IO[bytes], self._map)

    def view(self, start: int, length: int) -> memoryview:
        """`length` bytes from `start`, not copied.

        Raises: CheckpointError if the file is shorter, or was closed.
        """
        if self._map is None:
            raise self._closed()
        if start < 0 or length < 0 or start + length > self.size:
            raise CheckpointError(
                f"{self.path} is cut short or damaged: bytes {start} to {start + length} are asked for, "
                f"but it has {self.size}. Download or copy it again."
            )
        return memoryview(self._map)[start : start + length]

    def forget(self) -> None:
        """Give back the memory of all pages read so far; they are read again when touched.

        Changes made to mapped arrays are lost: only for whoever knows that there are none yet.
        """
        if self._map is not None and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)

    def _closed(self) -> CheckpointError:
        return CheckpointError(f"{self.path} was closed. Open it again to read more of its tensors.")

    def close(self) -> None:
        """Hand out no more bytes; arrays already read stay valid, and keep the mapping alive."""
        self._map = None
