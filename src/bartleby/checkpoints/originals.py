"""The files of an original checkpoint, in a folder or packed in a tar archive; a stranger's archive is not trusted."""

from __future__ import annotations

import lzma
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import IO, Any

from bartleby.checkpoints.archive import UNPACKED_LIMIT, UNPACKED_RATIO
from bartleby.checkpoints.tensors import MappedFile, StoredTensor
from bartleby.checkpoints.torch_file import read_torch_file
from bartleby.errors import CheckpointError, raise_all

MOST_MEMBERS = 10_000
LONGEST_READ = 1 << 20
"""Bytes of an archive read at once; a header that claims to be longer would be unpacked into memory whole."""

DAMAGES = (tarfile.TarError, EOFError, OSError, ValueError, OverflowError, RecursionError, zlib.error, lzma.LZMAError)
"""What reading a damaged archive raises, or one made to do harm."""


class _Pieces:
    """A stream that gives no more than a piece at once, whatever it is asked for."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream = stream

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= LONGEST_READ:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return self.stream.read(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


class _Archive(tarfile.TarFile):
    """A tar archive, packed or not, whose headers have to be short."""

    def __init__(self, name: Any, mode: Any, fileobj: Any, **options: Any) -> None:
        super().__init__(name, mode, _Pieces(fileobj), **options)


@contextmanager
def original_folder(source: Path, workplace: Path) -> Iterator[Path]:
    """The folder of an original's files; those of an archive are unpacked beside `workplace`, and gone afterwards.

    Raises: CheckpointError if there is nothing there, or the archive is damaged or dangerous.
    """
    if not source.exists():
        raise CheckpointError(f"{source} does not exist. Give a checkpoint's folder, or a tar archive of one.")
    if source.is_dir():
        yield source
        return
    if not _is_archive(source):
        yield source.parent
        return
    nearest = next(place for place in (workplace.parent, *workplace.parent.parents) if place.is_dir())
    try:
        place = TemporaryDirectory(prefix=".unpacked-", dir=nearest)  # beside what is written: there is room for it
    except OSError as error:
        raise CheckpointError(f"{nearest} cannot be written to: {error.strerror}. Choose another folder.") from error
    with place as folder:
        _unpack(source, Path(folder))
        yield Path(folder)


def _is_archive(source: Path) -> bool:
    try:
        with source.open("rb") as file, _Archive.open(fileobj=file):
            return True
    except DAMAGES:
        return False


def _unpack(archive: Path, folder: Path) -> None:
    """The plain files of an archive, by their names alone: no paths, links or devices."""
    room = UNPACKED_LIMIT + UNPACKED_RATIO * archive.stat().st_size
    try:
        with archive.open("rb") as packed, _Archive.open(fileobj=packed) as content:
            for count, member in enumerate(content):
                name = PurePosixPath(member.name).name
                room -= member.size  # also of what is passed over, which has to be unpacked to get behind it
                if room < 0 or count > MOST_MEMBERS:
                    raise CheckpointError(f"{archive} unpacks to more than any checkpoint does. Unpack it yourself.")
                if not member.isreg() or name.startswith("."):
                    continue
                stream = content.extractfile(member)
                if (folder / name).exists() or stream is None:
                    raise CheckpointError(f"{archive} has two files called {name}. Unpack it, and give one folder.")
                with stream, (folder / name).open("xb") as file:
                    shutil.copyfileobj(stream, file)
    except CheckpointError:
        raise
    except DAMAGES as error:
        raise CheckpointError(f"{archive} cannot be unpacked: {error}. Download or copy it again.") from None


def text_of(path: Path) -> str:
    """The text in a file of a vocabulary.

    Raises: CheckpointError if it cannot be read or is no UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise CheckpointError(f"{path} is no UTF-8 text: {error.reason} at byte {error.start}.") from None
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}.") from error


def lines_of(text: str) -> list[str]:
    """The lines that hold something; only a newline ends one, for tokens may hold other breaks."""
    return [line.rstrip("\r") for line in text.split("\n") if line.strip("\r")]


def read_state(model: Path, remedy: str) -> tuple[dict[str, Any], dict[str, StoredTensor]]:
    """What fairseq's or ParlAI's file of a model holds, and the named tensors under its key `model`.

    Raises: CheckpointError ending with `remedy` if it holds none, or other things among them.
    """
    content = read_torch_file(MappedFile(model))
    state = content.get("model") if isinstance(content, dict) else None
    if not isinstance(state, dict):
        raise CheckpointError(f"{model} holds no `model`. {remedy}")
    others = [
        f"`{name[:99]}`" if type(name) is str else f"a key that is a {type(name).__name__}"
        for name, tensor in state.items()
        if type(name) is not str or not isinstance(tensor, StoredTensor)
    ]
    raise_all(
        CheckpointError, [f"{name} under `model` is no tensor with a name. {remedy}" for name in others], str(model)
    )
    return content, dict(state)
