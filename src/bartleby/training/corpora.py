"""Texts to learn from: which files of a folder hold them, and their records; nothing is left out in silence.

A corpus is a file `NAME.SPLIT.jsonl`, or in another of our formats (`formats.py`), plain or packed; it may be in
several (`NAME.train.00001.jsonl`). A folder as others publish it is one corpus, called as the folder: `train.tsv` and
`dev.tsv`, `train-v1.1.json`. What a record looks like is told by `records.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Literal, TypeVar

from bartleby.errors import DataError, OptionError, raise_all
from bartleby.training.formats import ENDINGS, entries, format_of

OnBadRecord = Literal["stop", "skip"]
Split = Literal["train", "valid"]
Shape = TypeVar("Shape")

SPLITS: dict[str, Split] = {"train": "train", "valid": "valid", "validation": "valid", "dev": "valid"}
"""What files call the two splits; others (`test`) are not read."""
SHOWN_REFUSALS = 100
"""So many refusals are kept word for word; all are counted."""
REMEDY = "Mend the record, or skip bad ones: `on_bad_record` skip (as a flag, --on-bad-record skip)."
_NAME = re.compile(rf"(?:(?P<corpus>.+?)\.)?(?P<split>{'|'.join(SPLITS)})(?:[._-].*)?")


@dataclass
class Reading:
    """What came of reading: records a corpus, and the refusals that were skipped."""

    records: dict[str, int] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    """What was wrong, with file and line; the first `SHOWN_REFUSALS`."""
    refused: int = 0
    """How many records were skipped."""

    def skip(self, message: str) -> None:
        """Note a refusal."""
        self.refused += 1
        if len(self.skipped) < SHOWN_REFUSALS:
            self.skipped.append(message)

    def told(self) -> list[str]:
        """The refusals, a line each."""
        lines = [f"Skipped {message}" for message in self.skipped]
        if self.refused > len(self.skipped):
            lines.append(f"Skipped {self.refused - len(self.skipped)} more bad records.")
        return lines


def corpus_files(data: Path, split: Split, leave_out: Sequence[str] = ()) -> list[Path]:
    """The corpora of one split in the folder `data`, by name; `leave_out` holds patterns of corpus names to do without.

    Raises: DataError if the folder is missing, nothing is left to read, or a file is there both packed and plain;
        OptionError for a pattern that no corpus has.
    """
    if not data.is_dir():
        raise DataError(f"{data} is not a folder. Give the folder that holds NAME.{split}.jsonl files.")
    found = [path for path in sorted(data.iterdir()) if split_of(path) is not None and path.is_file()]
    names = {corpus_name(path) for path in found}
    unknown = [pattern for pattern in leave_out if not any(fnmatch(name, pattern) for name in names)]
    faults = [f"`leave_out` must name corpora of {data}, but {pattern!r} is none." for pattern in unknown]
    raise_all(OptionError, faults, "The corpora")
    wanted = [path for path in found if split_of(path) == split]
    left = [path for path in wanted if not any(fnmatch(corpus_name(path), pattern) for pattern in leave_out)]
    if not left:
        endings = ", ".join(ENDINGS)
        raise DataError(f"{data} has no file NAME.{split} ending in {endings} that is not left out. Check the names.")
    _refuse_doubles(left)
    return left


def training_files(data: Path, leave_out: Sequence[str] = ()) -> list[Path]:
    """What to learn from: the training split of a folder, or the one file that `data` is.

    Raises: as `corpus_files`; OptionError if something shall be left out of a single file.
    """
    if data.is_dir():
        return corpus_files(data, "train", leave_out)
    if not data.is_file():
        raise DataError(f"{data} must be a folder or a file to learn from, but there is neither.")
    if leave_out:
        raise OptionError(f"`leave_out` must be empty where `data` is one file, but is {', '.join(leave_out)}.")
    return [data]


def validation_files(data: Path, validation: str | None = None, leave_out: Sequence[str] = ()) -> list[Path]:
    """What to measure on: a file, or corpora of the validation split of `data` that fit a pattern; None for all.

    Raises: OptionError if `validation` is needed, or is neither; DataError if there is no `data`.
    """
    if validation is not None and Path(validation).is_file():
        return [Path(validation)]
    if data.is_file():
        came = "is not given" if validation is None else f"is {validation!r}"
        raise OptionError(f"`validation` must be a file where `data` is one, but {came}. Name what to measure on.")
    found = corpus_files(data, "valid", leave_out)
    wanted = [path for path in found if validation is None or fnmatch(corpus_name(path), validation)]
    if not wanted:
        names = ", ".join(sorted({corpus_name(path) for path in found}))
        raise OptionError(f"`validation` must be a file or one of the corpora {names}, but is {validation!r}.")
    return wanted


def corpus_name(path: Path) -> str:
    """`self_dialogue` of `…/self_dialogue.train.jsonl.xz`, `MNLI` of `…/MNLI/dev_matched.tsv`, `mine` of `mine.csv`."""
    match = _NAME.fullmatch(_stem(path))
    if match is None:
        return _stem(path) or path.name
    return match["corpus"] or path.resolve().parent.name


def split_of(path: Path) -> Split | None:
    """Which split a file belongs to by its name; None for what is no corpus."""
    match = _NAME.fullmatch(_stem(path)) if format_of(path) else None
    return None if match is None else SPLITS[match["split"]]


def read_records(
    paths: Sequence[Path],
    shape: Callable[[Any], Shape],
    reading: Reading | None = None,
    on_bad_record: OnBadRecord = "stop",
    columns: Sequence[str] = (),
) -> Iterator[Shape]:
    """Every record of `paths` in order, one at a time; `reading` is told what was read and what was skipped.

    `columns` names those of CSV and TSV files without a header.
    Raises: DataError with file and line, for what `shape` refuses (unless such records are skipped) and for a file
        that cannot be read.
    """
    for _, record in read_corpora(paths, shape, reading, on_bad_record, columns):
        yield record


def read_corpora(
    paths: Sequence[Path],
    shape: Callable[[Any], Shape],
    reading: Reading | None = None,
    on_bad_record: OnBadRecord = "stop",
    columns: Sequence[str] = (),
) -> Iterator[tuple[str, Shape]]:
    """As `read_records`, each with the name of its corpus."""
    reading = Reading() if reading is None else reading
    for path in paths:
        corpus = corpus_name(path)
        reading.records.setdefault(corpus, 0)
        for entry in entries(path, columns):
            try:
                if entry.fault is not None:
                    raise DataError(entry.fault)
                record = shape(entry.value)
            except (DataError, RecursionError) as fault:
                message = f"{path}, {entry.place}: {fault}"
                if on_bad_record == "stop":
                    raise DataError(f"{message} {REMEDY}") from None
                reading.skip(message)
                continue
            reading.records[corpus] += 1
            yield corpus, record


def _stem(path: Path) -> str:
    """A file's name without the endings that tell its format and packing."""
    ending = format_of(path)
    return path.name if ending is None else path.name[: path.name.rindex(ending)]


def _refuse_doubles(paths: Sequence[Path]) -> None:
    """The same corpus twice, as after unpacking a file, would count twice."""
    seen: dict[str, Path] = {}
    faults = []
    for path in paths:
        twin = seen.setdefault(_stem(path), path)
        if twin is not path:
            faults.append(f"{twin} and {path.name} must not both be there. Remove one.")
    raise_all(DataError, faults, "The corpora")
