"""Examples as token ids on disk: columns of rows of any length, mapped into memory, however many there are.

FOLDER/columns.json names every column with its type; FOLDER/NAME.values holds its rows one after another and
FOLDER/NAME.lengths how long each is, all little-endian. A folder is written under another name and renamed, so one that
is there is whole.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
import numpy.typing as npt

from bartleby.errors import DataError

Ids = npt.NDArray[np.int64]
Values = npt.NDArray[Any]
Row = Sequence[int] | Sequence[float] | Values

DOCUMENT = "columns.json"
FORMAT = 1
LENGTH = np.dtype("<i4")
WHOLE = (np.dtype("<u2"), np.dtype("<i4"), np.dtype("<i8"))
"""Types of whole numbers, the narrowest first: most vocabularies have fewer than 65,536 entries."""
REAL = np.dtype("<f4")
_BOTH = "must hold whole numbers or fractions, but has both."
VALUES_AT_ONCE = 1 << 18
"""Values kept in memory before they are written."""


@dataclass(frozen=True)
class Column:
    """Rows one after another, and where each begins and how long it is."""

    flat: Values
    lengths: Ids

    @property
    def starts(self) -> Ids:
        return np.cumsum(self.lengths) - self.lengths


class Examples:
    """Rows of token ids (or numbers) by column; every column has as many rows."""

    def __init__(self, columns: Mapping[str, Column]) -> None:
        self._columns = dict(columns)
        self._starts = {name: column.starts for name, column in columns.items()}
        self._count = len(next(iter(columns.values())).lengths) if columns else 0

    @classmethod
    def open(cls, folder: Path) -> Examples:
        """Examples that an ExampleWriter left in `folder`.

        Raises: DataError if it is no such folder, or not whole.
        """
        try:
            document = json.loads((folder / DOCUMENT).read_text("utf-8"))
            if document["format"] != FORMAT:
                raise ValueError(f"its format is {document['format']!r}, but {FORMAT} is read")
            columns, count = document["columns"], document["examples"]
            return cls({name: _mapped(folder, name, facts, count) for name, facts in columns.items()})
        except (OSError, KeyError, TypeError, AttributeError, ValueError) as fault:
            raise DataError(f"{folder} cannot be read: {fault}. Delete it; it is made anew from the corpora.") from None

    @classmethod
    def of(cls, columns: Mapping[str, Iterable[Row]]) -> Examples:
        """Examples kept in memory, from rows by column."""
        rows = {name: [_as_row(row) for row in column] for name, column in columns.items()}
        counts = {name: len(column) for name, column in rows.items()}
        if len(set(counts.values())) > 1:
            raise DataError(f"Every column must have as many rows, but they have {counts}.")
        return cls({name: _joined(column) for name, column in rows.items()})

    def __len__(self) -> int:
        return self._count

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(self._columns)

    def lengths(self, column: str) -> Ids:
        """How long each row is; (n,)."""
        return self._columns[column].lengths if self._count else np.zeros(0, dtype=np.int64)

    def row(self, column: str, index: int) -> Values:
        """One row."""
        start = int(self._starts[column][index])
        return self._columns[column].flat[start : start + int(self._columns[column].lengths[index])]

    def rows(self, column: str) -> list[list[Any]]:
        """All rows as lists; for a few examples."""
        return [self.row(column, index).tolist() for index in range(len(self))]

    def counts(self, column: str, size: int) -> Ids:
        """How often each number from 0 up to `size` is in a column; (size,)."""
        flat, counts = self._columns[column].flat, np.zeros(size, dtype=np.int64)
        for start in range(0, len(flat), VALUES_AT_ONCE):
            counts += np.bincount(flat[start : start + VALUES_AT_ONCE], minlength=size)
        return counts

    def padded(self, column: str, rows: Ids, filler: float) -> tuple[Values, Ids]:
        """The rows numbered `rows` side by side, filled up to the longest, and where they hold a value.

        Shapes: rows (b,) -> (b, longest) of int64 or float32, and (b, longest) of 0 and 1.
        """
        flat, lengths = self._columns[column].flat, self._columns[column].lengths[rows]
        places = np.arange(int(lengths.max(initial=0)))
        mask = places[None, :] < lengths[:, None]
        values = np.full(mask.shape, filler, dtype=REAL if flat.dtype == REAL else np.int64)
        values[mask] = flat[(self._starts[column][rows][:, None] + places[None, :])[mask]]
        return values, mask.astype(np.int64)

    def take(self, rows: Ids) -> Examples:
        """The examples numbered `rows`, in that order, in memory."""
        taken = {}
        for name in self.columns:
            pieces = [self.row(name, int(row)) for row in rows]
            flat = np.concatenate(pieces) if pieces else self._columns[name].flat[:0]
            taken[name] = Column(flat, self.lengths(name)[rows])
        return Examples(taken)

    def first(self, count: int | None) -> Examples:
        """The first `count` examples; all of them for None, or if there are fewer."""
        return self if count is None or count >= len(self) else self.take(np.arange(count))

    def save(self, folder: Path) -> None:
        """Write them into `folder`, which must not be there yet."""
        with ExampleWriter(folder) as writer:
            for index in range(len(self)):
                writer.add(**{name: self.row(name, index) for name in self.columns})


class ExampleWriter:
    """Writes examples into a new folder as they come, a bounded number of them in memory.

    As a context manager: left without an error, the folder is there; with one, nothing is.
    Raises: DataError for an example whose columns are not those of the first.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.count = folder, 0
        self._draft = folder.with_name(f".{folder.name}.{os.getpid()}")
        self._columns: dict[str, _Growing] = {}

    def __enter__(self) -> Self:
        if self.folder.exists():
            raise DataError(f"{self.folder} must not be there yet, but is. Delete it first.")
        shutil.rmtree(self._draft, ignore_errors=True)
        self._draft.mkdir(parents=True)
        return self

    def add(self, **columns: Row) -> None:
        """Append one example: a row for every column, some of them perhaps empty."""
        if not self.count:
            self._columns = {name: _Growing(self._draft, name) for name in columns}
        if columns.keys() != self._columns.keys():
            wanted, given = ", ".join(self._columns), ", ".join(columns)
            raise DataError(f"Every example must have the columns {wanted}, but number {self.count} has {given}.")
        for name, row in columns.items():
            self._columns[name].add(_as_row(row))
        self.count += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                for column in self._columns.values():
                    column.flush()
                columns = {name: column.facts() for name, column in self._columns.items()}
                text = json.dumps({"format": FORMAT, "examples": self.count, "columns": columns}, indent=2)
                (self._draft / DOCUMENT).write_text(text + "\n", "utf-8")
                self._draft.replace(self.folder)
        finally:
            for column in self._columns.values():
                column.close()
            shutil.rmtree(self._draft, ignore_errors=True)


@dataclass
class _Growing:
    """One column being written; its type is the narrowest that held all values so far."""

    folder: Path
    name: str
    dtype: np.dtype[Any] | None = None
    values: int = 0
    rows: int = 0
    _waiting: list[Values] = field(default_factory=list)
    _files: dict[str, IO[bytes]] = field(default_factory=dict)
    _room: int = 0

    def __post_init__(self) -> None:
        for ending in ("values", "lengths"):
            self._files[ending] = (self.folder / f"{self.name}.{ending}").open("ab")

    def add(self, row: Values) -> None:
        self._waiting.append(row)
        self._room += len(row) + 1
        if self._room >= VALUES_AT_ONCE:
            self.flush()

    def close(self) -> None:
        for file in self._files.values():
            file.close()

    def facts(self) -> dict[str, Any]:
        """What the folder's document says of it; a column of empty rows has whole numbers."""
        return {"dtype": (self.dtype or WHOLE[0]).str, "values": self.values, "rows": self.rows}

    def flush(self) -> None:
        """Write what waits."""
        if not self._waiting:
            return
        column = _joined(self._waiting)
        if column.flat.size:
            self._widen(column.flat.dtype)
            self._files["values"].write(column.flat.astype(self.dtype).tobytes())
        self._files["lengths"].write(column.lengths.astype(LENGTH).tobytes())
        self.values += column.flat.size
        self.rows += len(column.lengths)
        self._waiting, self._room = [], 0
        for file in self._files.values():
            file.flush()

    def _widen(self, needed: np.dtype[Any]) -> None:
        """Write what is there again if new values need a wider type.

        Raises: DataError for fractions among whole numbers.
        """
        former = self.dtype
        if former is None or former == needed:
            self.dtype = needed
            return
        if REAL in (former, needed):
            raise DataError(f"Column {self.name!r} {_BOTH}")
        self.dtype = max(former, needed, key=WHOLE.index)
        if self.dtype == former:
            return
        self._files["values"].close()
        path = self.folder / f"{self.name}.values"
        wider = path.with_suffix(".wider")
        with path.open("rb") as old, wider.open("wb") as new:
            while piece := old.read(VALUES_AT_ONCE * former.itemsize):
                new.write(np.frombuffer(piece, former).astype(self.dtype).tobytes())
        wider.replace(path)
        self._files["values"] = path.open("ab")


def _mapped(folder: Path, name: str, facts: Mapping[str, Any], examples: int) -> Column:
    """A column of files; ValueError if they are not as long as the document says."""
    dtype = np.dtype(str(facts["dtype"]))
    if dtype not in (*WHOLE, REAL) or Path(name).name != name:
        raise ValueError(f"column {name!r} is of {dtype}, which is none of ours")
    lengths = np.fromfile(folder / f"{name}.lengths", LENGTH).astype(np.int64)
    path, values = folder / f"{name}.values", int(facts["values"])
    sizes = (len(lengths), len(lengths), int(lengths.sum()), path.stat().st_size)
    if sizes != (examples, facts["rows"], values, values * dtype.itemsize):
        raise ValueError(f"column {name!r} is not as long as {DOCUMENT} says")
    # As a plain array: indexing np.memmap itself makes a new object of its class every time.
    flat = np.asarray(np.memmap(path, dtype, mode="r")) if values else np.zeros(0, dtype)
    return Column(flat, lengths)


def _as_row(row: Row) -> Values:
    """A row of the narrowest type that holds it."""
    values = np.asarray(row)
    if values.ndim != 1:
        raise DataError(f"A row must be a list of numbers, but has the shape {values.shape}.")
    if not values.size:
        return np.zeros(0, WHOLE[0])
    if values.dtype.kind == "f":
        return values.astype(REAL)
    if values.dtype.kind not in "iub":
        raise DataError(f"A row must hold numbers, but holds {values.dtype}.")
    least, most = values.min(), values.max()
    fitting = [dtype for dtype in WHOLE if np.iinfo(dtype).min <= least and most <= np.iinfo(dtype).max]
    if not fitting:
        raise DataError(f"A number must fit 64 bits, but {most} does not.")
    return values.astype(fitting[0])


def _joined(rows: Sequence[Values]) -> Column:
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    filled = [row for row in rows if len(row)]
    if len({row.dtype == REAL for row in filled}) > 1:
        raise DataError(f"A column {_BOTH}")
    return Column(np.concatenate(filled) if filled else np.zeros(0, WHOLE[0]), lengths)
