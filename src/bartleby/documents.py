"""JSON files and the folders they lie in: read with errors that name the place, and found even after a broken-off save.

A save that replaces several files (`bartleby.checkpoints.replacement`) leaves a journal when it is stopped half-way:
which files, under temporary names, are the current ones already. Whoever reads a checkpoint asks `current_file` first.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bartleby.errors import BartlebyError, CheckpointError

JOURNAL = ".saving.json"


def read_json(path: Path, error: type[BartlebyError] = CheckpointError) -> Any:
    """The value in a JSON file.

    Raises: CheckpointError if it cannot be read, `error` if it holds no JSON, with line and column.
    """
    try:
        content = path.read_bytes()
    except OSError as fault:
        raise CheckpointError(f"{path} cannot be read: {fault.strerror or fault}.") from fault
    if not content.strip():
        raise error(f"{path} is empty. Download or copy it again.")
    refuse_pointer(path, content)
    try:
        return json.loads(content.decode("utf-8"))
    except json.JSONDecodeError as fault:
        place = f"line {fault.lineno}, column {fault.colno}"
        raise error(f"{path} is no JSON: {fault.msg} at {place}. Correct it or download it again.") from None
    except UnicodeDecodeError as fault:
        raise error(f"{path} is no UTF-8 text: {fault.reason} at byte {fault.start}.") from None
    except (ValueError, RecursionError) as fault:  # numbers too long, lists too deep
        raise error(f"{path} is no usable JSON: {fault}.") from None


def read_document(path: Path, error: type[BartlebyError] = CheckpointError) -> dict[str, Any]:
    """The JSON object in a file.

    Raises: CheckpointError if it cannot be read, `error` if it holds anything else.
    """
    document = read_json(path, error)
    if not isinstance(document, dict):
        raise error(f"{path} must hold a JSON object, but holds a {type(document).__name__}.")
    return document


def document_bytes(document: dict[str, Any]) -> bytes:
    """The text the published folders hold: indented by two, keys sorted, one newline at the end.

    Raises: CheckpointError if a value has no JSON form.
    """
    try:
        return (json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"A configuration to be saved must be plain JSON values, but: {error}.") from None


def refuse_pointer(path: Path, start: bytes) -> None:
    """Raises: CheckpointError if the file holds git-LFS's note of where its content is, instead of the content."""
    if start.startswith(b"version https://git-lfs"):
        raise CheckpointError(
            f"{path} is a git-LFS pointer, not the file: the repository was cloned without its large files. "
            f"Run `git lfs install` and `git lfs pull` in {path.parent}, or download the file again."
        )


def made_folder(path: str | os.PathLike[str]) -> Path:
    """The folder to save a config in, made if needed.

    Raises: CheckpointError if it is a file.
    """
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        raise CheckpointError(f"{str(folder)!r} must be a folder to save a config in, but is a file.")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def write_whole(path: str | os.PathLike[str], text: str) -> None:
    """Write a file at once or not at all; a pipe or device (/dev/stdout) is written to, never replaced.

    Raises: OSError if the disk refuses, with what was there before still in place.
    """
    path = Path(path).absolute()
    if (path.exists() and not path.is_file()) or path.parts[1:2] in (("dev",), ("proc",)):
        path.write_text(text, encoding="utf-8")
        return
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


@dataclass(frozen=True)
class Journal:
    """What a save still has to do: temporary name -> final name, and names to remove."""

    moves: dict[str, str]
    removals: list[str]


def read_journal(folder: Path) -> Journal | None:
    """The journal of a save that was stopped; None where there is none.

    Raises: CheckpointError if it is damaged.
    """
    path = folder / JOURNAL
    if not path.exists():
        return None
    document = read_document(path)
    moves, removals = document.get("moves"), document.get("removals")
    if not isinstance(moves, dict) or not isinstance(removals, list):
        raise CheckpointError(f"{path} is damaged. Remove it, and save or download the checkpoint again.")
    for name in [*moves, *moves.values(), *removals]:
        if not isinstance(name, str) or name in ("", ".", "..") or set(name) & set("/\\:\0"):
            raise CheckpointError(f"{path} names a file outside its folder: {name!r}. Remove it.")
    return Journal(moves, removals)


def current_file(folder: Path, name: str) -> Path | None:
    """Where the file called `name` lies now, also when a save was stopped half-way; None if there is none.

    Raises: CheckpointError if the journal of such a save is damaged.
    """
    journal = read_journal(folder)
    if journal:
        if name in journal.removals:
            return None
        for temporary, final in journal.moves.items():
            if final == name and (folder / temporary).exists():
                return folder / temporary
    return folder / name if (folder / name).exists() else None
