"""What stands in a file: its values one after another, each with the place where it stands, never all at once.

JSON lines and CSV are read here, Parquet and plain text by the `datasets` library, streaming and without scripts.
`datasets` makes one table of a whole file. That suits Parquet, which is one, and text, which cannot be wrong. But of
JSON lines, one that is no JSON spoils the file, fields that only some lines have turn up in all, and no number of a
line is left to tell; of CSV, one field too many spoils the file, missing ones are filled up in silence, and "007" and
"NA" become a number and nothing. Here each line is judged by itself.
"""

from __future__ import annotations

import csv
import glob
import gzip
import json
import logging
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

from bartleby.errors import DataError

_OPENERS: dict[str, Callable[..., IO[str]]] = {".xz": lzma.open, ".gz": gzip.open}
_UNREADABLE = (OSError, EOFError, lzma.LZMAError, zlib.error, UnicodeDecodeError, csv.Error)
_NO_JSON = (ValueError, RecursionError)  # broken, a number of thousands of digits; nested too deep

ROWS_AT_ONCE = 1000
LONGEST_CELL = 1 << 27
"""Characters; Python's own limit of 131,072 is shorter than a chapter."""
TEXT_LINES = 1000
"""A text file without blank lines is cut into documents of so many, so that none fills the memory."""


@dataclass(frozen=True)
class Entry:
    """One value of a file, or why there is none; `place` is for people: "line 3"."""

    place: str
    value: Any = None
    fault: str | None = None


def entries(path: Path, columns: Sequence[str] = ()) -> Iterator[Entry]:
    """The values of a file in order; `columns` names those of a CSV or TSV file that has no header.

    Raises: DataError for a file that cannot be read, or ends too early.
    """
    ending = format_of(path)
    if ending is None:
        raise DataError(f"{path} must end in {', '.join(ENDINGS)}, each of the texts also with .gz or .xz.")
    try:
        if ending == ".parquet":
            yield from _parquet_rows(path)
        elif ending == ".txt":
            yield from _documents(path)
        else:
            with _OPENERS.get(path.suffix, open)(path, "rt", encoding="utf-8-sig", newline=_newline(ending)) as file:
                yield from _of_text(file, ending, columns)
    except _UNREADABLE as fault:
        raise DataError(f"{path} cannot be read: {fault}. Fetch the file again.") from None
    except DataError as fault:
        raise DataError(f"{path} cannot be read: {fault}") from None


def format_of(path: Path) -> str | None:
    """The ending that says what a file is, without that of its packing; None if it is none of ours."""
    ending = path.with_suffix("").suffix if path.suffix in _OPENERS else path.suffix
    is_packed_table = path.suffix in _OPENERS and ending == ".parquet"
    return ending if ending in ENDINGS and not is_packed_table else None


ENDINGS = (".jsonl", ".json", ".csv", ".tsv", ".parquet", ".txt")


def _newline(ending: str) -> str | None:
    return "" if ending == ".csv" else None  # a cell may hold a line end, which the reader of CSV must see as it is


def _of_text(file: IO[str], ending: str, columns: Sequence[str]) -> Iterator[Entry]:
    if ending == ".jsonl":
        return _json_lines(file)
    return _json_document(file) if ending == ".json" else _separated(file, ending, columns)


def _json_lines(lines: Iterable[str]) -> Iterator[Entry]:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                value = json.loads(line)
            except _NO_JSON as fault:
                yield Entry(f"line {number}", fault=f"no JSON: {fault}.")
                continue
            yield Entry(f"line {number}", value)


def _json_document(file: IO[str]) -> Iterator[Entry]:
    """A list of records, or an object that has one as `data`, as SQuAD does; or lines after all, if the first is JSON.

    A document is read as a whole: it can only be understood from its end.
    """
    first, second = file.readline(), file.readline()
    if second.strip() and _is_json(first):
        yield from _json_lines(chain((first, second), file))
        return
    try:
        document = json.loads(first + second + file.read())
    except _NO_JSON as fault:
        raise DataError(f"it is no JSON: {fault}. Fetch the file again.") from None
    records = document.get("data") if isinstance(document, dict) else document
    if not isinstance(records, list):
        raise DataError("it must hold a list of records, or an object that has one as `data`. Write JSON lines.")
    for number, record in enumerate(records, start=1):
        yield from _questions(record, number)


def _questions(record: Any, number: int) -> Iterator[Entry]:
    """The questions of an article of SQuAD, each beside its context; any other record as it is."""
    place = f"record {number}"
    paragraphs = record.get("paragraphs") if isinstance(record, dict) else None
    if not isinstance(paragraphs, list) or not all(isinstance(part, dict) and "qas" in part for part in paragraphs):
        yield Entry(place, record)
        return
    for index, paragraph in enumerate(paragraphs, start=1):
        questions = paragraph["qas"]
        if not isinstance(questions, list):
            yield Entry(f"{place}, paragraph {index}", fault="`qas` must be a list of questions.")
            continue
        for count, question in enumerate(questions, start=1):
            whole = {**question, "context": paragraph.get("context")} if isinstance(question, dict) else question
            yield Entry(f"{place}, paragraph {index}, question {count}", whole)


def _separated(file: IO[str], ending: str, columns: Sequence[str]) -> Iterator[Entry]:
    """Rows of CSV, or of TSV as GLUE has it, where quotes are text and a line end ends a row.

    Blanks around a name of the header, as spreadsheets leave them, are no part of it.
    """
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_CELL))
    if ending == ".tsv":
        reader = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
    else:
        reader = csv.reader(file, strict=True)
    names = list(columns) or [name.strip() for name in next(reader, [])]
    if len(set(names)) < len(names):
        raise DataError(f"each column must have a name of its own, but they are {', '.join(names)}.")
    line = reader.line_num + 1
    for row in reader:
        if len(row) == len(names):
            yield Entry(f"line {line}", dict(zip(names, row, strict=True)))
        elif row:
            yield Entry(f"line {line}", fault=f"a row must have {len(names)} fields, but has {len(row)}.")
        line = reader.line_num + 1


def _parquet_rows(path: Path) -> Iterator[Entry]:
    for number, row in enumerate(_table_rows("parquet", path), start=1):
        yield Entry(f"row {number}", row)


def _documents(path: Path) -> Iterator[Entry]:
    """Texts of a file: blank lines part them, the lines of one are its paragraphs."""
    lines: list[str] = []
    start = 1
    for number, row in enumerate(_table_rows("text", path), start=1):
        line = row["text"].removeprefix("\ufeff")
        if lines and (not line.strip() or len(lines) == TEXT_LINES):
            yield Entry(f"line {start}", "\n".join(lines))
            lines = []
        if line.strip():
            start = start if lines else number
            lines.append(line)
    if lines:
        yield Entry(f"line {start}", "\n".join(lines))


def _table_rows(kind: str, path: Path) -> Iterator[dict[str, Any]]:
    """Rows of a file as `datasets` streams them, untouched: as Arrow tables, since rows that it made itself could be
    pictures or sounds that the file asks to be fetched from anywhere.
    """
    import datasets  # takes most of a second, and JSON lines do without

    logging.getLogger("datasets.packaged_modules").setLevel(logging.CRITICAL)  # it logs what it raises, and we tell it

    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    with TemporaryDirectory() as cache:  # for its lock, which would stay in the home folder
        try:
            files = glob.escape(str(path.resolve()))
            stream = datasets.load_dataset(kind, data_files=files, split="train", streaming=True, cache_dir=cache)
            for table in stream.with_format("arrow").iter(batch_size=ROWS_AT_ONCE):
                yield from table.to_pylist()
        except _UNREADABLE:
            raise
        except Exception as fault:  # Arrow has its own for every damage, some with no common base
            raise DataError(f"{str(fault).rstrip('.')}. Fetch the file again.") from None


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except _NO_JSON:
        return False
    return True
