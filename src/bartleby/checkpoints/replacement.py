"""Several files of a folder replaced as if they were one: a reader finds all of the old ones or all of the new ones.

One rename is atomic, several are not. So new files are written under temporary names and flushed to disk, then one
rename puts a journal beside them that lists every move and removal still to be made: that rename is the moment the
new files count. Readers mind the journal (`current_file`); whoever was stopped before finishing it is finished by the
next save. A save stopped before that moment has changed nothing.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

from bartleby.documents import JOURNAL, Journal, read_journal
from bartleby.documents import current_file as current_file
from bartleby.errors import CheckpointError

try:
    import fcntl
except ImportError:  # Windows: two saves to one folder at the same time are not noticed there
    fcntl = None  # type: ignore[assignment]

Writer = Callable[[BinaryIO], object]

TEMPORARY = ".saving-"


def replace_files(folder: Path, writers: Mapping[str, Writer], is_stale: Callable[[str], bool]) -> None:
    """Write each file by its writer and remove the stale ones, all in one step.

    Raises: whatever a writer or the disk raises, with the folder as it was.
    """
    with _locked(folder):
        _finish(folder)
        _remove_leftovers(folder)
        token = secrets.token_hex(4)
        moves = {f"{TEMPORARY}{token}-{name}": name for name in writers}
        record = f"{TEMPORARY}{token}"
        try:
            for temporary, name in moves.items():
                _write(folder / temporary, writers[name])
            removals = [name for name in sorted(os.listdir(folder)) if is_stale(name) and name not in writers]
            text = json.dumps(asdict(Journal(moves, removals)))
            _write(folder / record, lambda file: file.write(text.encode()))
            _flush_folder(folder)
            os.replace(folder / record, folder / JOURNAL)  # from here on the new files count
        except BaseException:
            if not (folder / JOURNAL).exists():  # an interrupt may come just after the rename
                for temporary in [*moves, record]:
                    with suppress(OSError):
                        os.unlink(folder / temporary)
            raise
        try:
            _finish(folder)
        except OSError as error:
            raise CheckpointError(
                f"{folder} is saved, but some files still have temporary names: {error.strerror or error}. "
                "This library loads it as it is; the next save puts it in order."
            ) from error


def _finish(folder: Path) -> None:
    """Carry out the journal, if there is one; stopping anywhere in it and starting again is harmless."""
    journal = read_journal(folder)
    if journal is None:
        return
    _flush_folder(folder)
    for temporary, name in journal.moves.items():
        with suppress(FileNotFoundError):  # moved before
            os.replace(folder / temporary, folder / name)
    for name in journal.removals:
        with suppress(FileNotFoundError):
            os.unlink(folder / name)
    _flush_folder(folder)
    os.unlink(folder / JOURNAL)
    _flush_folder(folder)


def _remove_leftovers(folder: Path) -> None:
    """Temporary files of saves that were killed before their new files counted."""
    for name in os.listdir(folder):
        if name.startswith(TEMPORARY):
            os.unlink(folder / name)


def _write(path: Path, writer: Writer) -> None:
    with path.open("xb") as file:
        writer(file)
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    """Make renames and removals so far last through a power cut."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Refuse a second save to the same folder; the lock ends with the process."""
    if fcntl is None:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EAGAIN):
                raise CheckpointError(f"{folder} is being saved to already. Wait, or save elsewhere.") from None
            # Some network disks have no locks: then two saves at once are not noticed, as on Windows.
        yield
    finally:
        os.close(descriptor)
