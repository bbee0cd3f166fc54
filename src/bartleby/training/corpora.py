"""Text to learn from: JSON lines, packed or not, read from folders and files; nothing is left out in silence.

A corpus is a file `NAME.SPLIT.jsonl`, plain or packed (`.gz`, `.xz`); each line is one record. The shape for chat is
`{"turns": [text, …], "personas": [[line, …], [line, …]]}`: two speakers take turns, the first turn is the first
speaker's; `personas` may be missing, other fields are ignored.
"""

from __future__ import annotations

import gzip
import json
import lzma
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import IO, Any, Literal, TypeGuard, TypeVar

from bartleby.errors import DataError

OnBadRecord = Literal["stop", "skip"]
Split = Literal["train", "valid"]
Shape = TypeVar("Shape")

_OPENERS: dict[str, Callable[..., IO[str]]] = {".xz": lzma.open, ".gz": gzip.open}
_SUFFIXES = (".jsonl", ".jsonl.xz", ".jsonl.gz")


@dataclass(frozen=True)
class Dialogue:
    """A conversation of two; `personas` holds what is known of the first and of the second speaker."""

    turns: tuple[str, ...]
    personas: tuple[tuple[str, ...], ...] = ()

    def persona_of(self, turn: int) -> tuple[str, ...]:
        """What is known of whoever speaks turn number `turn`."""
        return self.personas[turn % 2] if self.personas else ()


@dataclass
class Reading:
    """What came of reading: how many records each corpus gave, and the refusals that were skipped."""

    records: dict[str, int] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)


def corpus_files(folder: Path, split: Split, leave_out: Sequence[str] = ()) -> list[Path]:
    """The corpora of one split in `folder`, by name; `leave_out` holds patterns of corpus names to do without.

    Raises: DataError if the folder is missing or nothing is left to read.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder. Give the folder that holds NAME.{split}.jsonl files.")
    found = [
        path
        for path in sorted(folder.glob(f"*.{split}.*"))
        if path.name.endswith(_SUFFIXES) and not any(fnmatch(corpus_name(path), pattern) for pattern in leave_out)
    ]
    if not found:
        endings = ", ".join(_SUFFIXES)
        raise DataError(f"{folder} has no file NAME.{split} ending in {endings} that is not left out. Check the names.")
    return found


def corpus_name(path: Path) -> str:
    """`self_dialogue` of `…/self_dialogue.train.jsonl.xz`."""
    return path.name.split(".", 1)[0]


def read_dialogues(
    paths: Sequence[Path], reading: Reading | None = None, on_bad_record: OnBadRecord = "stop"
) -> Iterator[Dialogue]:
    """Every dialogue of `paths` in order; `reading` is told what was read and what was skipped.

    Raises: DataError with file and line, for a record that is not a dialogue (unless those are skipped) and for a
        file that cannot be read.
    """
    yield from _read(paths, as_dialogue, reading or Reading(), on_bad_record)


def as_dialogue(record: Any) -> Dialogue:
    """A JSON value as a dialogue.

    Raises: DataError saying which field is wrong.
    """
    if not isinstance(record, dict):
        raise DataError(f"a record must be an object with `turns`, but is {_shown(record)}.")
    turns, personas = record.get("turns"), record.get("personas") or []
    if not _are_texts(turns) or len(turns) < 2:
        raise DataError(f"`turns` must be a list of at least two texts that are not blank, but is {_shown(turns)}.")
    if not isinstance(personas, list) or len(personas) not in (0, 2) or not all(map(_are_texts, personas)):
        raise DataError(f"`personas` must be two lists of texts that are not blank, but is {_shown(personas)}.")
    return Dialogue(tuple(turns), tuple(tuple(lines) for lines in personas))


def _read(
    paths: Sequence[Path], shape: Callable[[Any], Shape], reading: Reading, on_bad_record: OnBadRecord
) -> Iterator[Shape]:
    for path in paths:
        for number, line in _lines(path):
            try:
                record = shape(json.loads(line))
            except (DataError, json.JSONDecodeError) as fault:
                message = f"{path}, line {number}: {fault}"
                if on_bad_record == "stop":
                    raise DataError(f"{message} Mend the record, or skip bad ones.") from None
                reading.skipped.append(message)
                continue
            reading.records[corpus_name(path)] = reading.records.get(corpus_name(path), 0) + 1
            yield record


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines that are not empty."""
    opener = _OPENERS.get(path.suffix, open)
    try:
        with opener(path, "rt", encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line
    except (OSError, EOFError, lzma.LZMAError, UnicodeDecodeError) as fault:
        raise DataError(f"{path} cannot be read: {fault}. Fetch the file again.") from None


def _are_texts(value: Any) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(text, str) and text.strip() for text in value)


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "…"
