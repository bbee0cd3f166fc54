"""Files of weights made by hand, byte by byte, right and wrong ones: no framework is needed to test the readers."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bartleby.checkpoints.tensors import DTYPES, MappedFile

Array = npt.NDArray[Any]

MAGIC = 0x1950A86A20F9469CFC6C
CLASSES = {
    "float64": "DoubleStorage",
    "float32": "FloatStorage",
    "float16": "HalfStorage",
    "bfloat16": "BFloat16Storage",
    "int64": "LongStorage",
    "bool": "BoolStorage",
}


def mapped(path: Path, content: bytes) -> MappedFile:
    path.write_bytes(content)
    return MappedFile(path)


def safetensors_bytes(header: Any, data: bytes = b"") -> bytes:
    """A safetensors file with any header, right or wrong."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def named_global(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def pushed(value: Any) -> bytes:
    """The opcodes that leave a plain value on the stack."""
    return pickle.dumps(value, protocol=2)[2:-1].replace(b"q\x00", b"").replace(b"q\x01", b"")


def storage_bytes(dtype: str, key: str, count: int, *view: Any) -> bytes:
    """The persistent id of a storage, and the opcode that asks for it."""
    rest = pushed(key) + pushed("cpu") + pushed(count) + b"".join(map(pushed, view))
    return b"(" + pushed("storage") + named_global("torch", CLASSES[dtype]) + rest + b"tQ"


def tensor_bytes(storage: bytes, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> bytes:
    """A tensor as a view of a storage."""
    hooks = b"\x89" + named_global("collections", "OrderedDict") + b")R"
    arguments = b"(" + storage + pushed(offset) + pushed(shape) + pushed(strides) + hooks + b"t"
    return named_global("torch._utils", "_rebuild_tensor_v2") + arguments + b"R"


def named_tensors(tensors: dict[str, bytes]) -> bytes:
    return b"\x80\x02}(" + b"".join(pushed(name) + value for name, value in tensors.items()) + b"u."


def whole(key: str, dtype: str, array: Array) -> bytes:
    """A contiguous tensor that has a storage to itself."""
    strides = tuple(stride // array.itemsize for stride in np.ascontiguousarray(array).strides)
    return tensor_bytes(storage_bytes(dtype, key, array.size), 0, array.shape, strides)


def zip_bytes(
    content: bytes, storages: dict[str, bytes], method: int = zipfile.ZIP_STORED, order: str = "little"
) -> bytes:
    """What torch has written since 1.6."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("archive/data.pkl", content)
        archive.writestr("archive/byteorder", order)
        for key, data in storages.items():
            archive.writestr(f"archive/data/{key}", data)
    return buffer.getvalue()


def legacy_bytes(content: bytes, storages: dict[str, tuple[str, bytes]], little_endian: bool = True) -> bytes:
    """What torch wrote before 1.6."""
    system = {"protocol_version": 1001, "little_endian": little_endian, "type_sizes": {"int": 4}}
    head = b"".join(pickle.dumps(value, protocol=2) for value in (MAGIC, 1001, system))
    data = b"".join(struct.pack("<q", len(raw) // DTYPES[dtype].itemsize) + raw for dtype, raw in storages.values())
    return head + content + pickle.dumps(list(storages), protocol=2) + data
