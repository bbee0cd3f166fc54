import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bartleby.errors import DataError
from bartleby.training import store
from bartleby.training.store import Examples, ExampleWriter

ROWS = st.lists(st.lists(st.integers(-(2**40), 2**40), max_size=6), min_size=1, max_size=12)


@settings(max_examples=30)
@given(rows=ROWS, room=st.integers(1, 20))
def test_whatever_is_written_comes_back(
    rows: list[list[int]], room: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("store") / "examples"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "VALUES_AT_ONCE", room)
        with ExampleWriter(folder) as writer:
            for row in rows:
                writer.add(ids=row, weight=[0.5] * len(row))
    examples = Examples.open(folder)
    assert len(examples) == writer.count == len(rows)
    assert examples.rows("ids") == rows
    assert examples.rows("weight") == [[0.5] * len(row) for row in rows]
    assert examples.lengths("ids").tolist() == list(map(len, rows))
    assert [path.name for path in folder.parent.iterdir()] == ["examples"]


@pytest.mark.parametrize(
    ("largest", "dtype"), [(65535, "<u2"), (65536, "<i4"), (2**31, "<i8"), (-1, "<i4"), (0.5, "<f4")]
)
def test_numbers_take_no_more_room_than_they_need(largest: float, dtype: str, tmp_path: Path) -> None:
    with ExampleWriter(tmp_path / "x") as writer:
        writer.add(ids=[largest])
    assert json.loads((tmp_path / "x" / "columns.json").read_text())["columns"]["ids"]["dtype"] == dtype
    assert Examples.open(tmp_path / "x").row("ids", 0).tolist() == [largest]


def test_rows_are_padded_side_by_side() -> None:
    examples = Examples.of({"ids": [[5, 6, 7], [8], []]})
    ids, mask = examples.padded("ids", np.array([1, 0, 2]), 9)
    assert ids.tolist() == [[8, 9, 9], [5, 6, 7], [9, 9, 9]]
    assert mask.tolist() == [[1, 0, 0], [1, 1, 1], [0, 0, 0]]
    assert ids.dtype == mask.dtype == np.int64
    assert Examples.of({"weight": [[0.5]]}).padded("weight", np.array([0]), 0)[0].dtype == np.float32


def test_numbers_are_counted_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "VALUES_AT_ONCE", 2)
    assert Examples.of({"ids": [[3, 1, 3], [], [0, 3]]}).counts("ids", 5).tolist() == [1, 1, 0, 3, 0]


def test_some_can_be_taken_and_saved(tmp_path: Path) -> None:
    examples = Examples.of({"a": [[1], [2, 3], [4]], "b": [[7], [], [9]]})
    taken = examples.take(np.array([2, 1]))
    taken.save(tmp_path / "taken")
    again = Examples.open(tmp_path / "taken")
    assert again.columns == ("a", "b")
    assert (again.rows("a"), again.rows("b")) == ([[4], [2, 3]], [[9], []])
    assert examples.first(2).rows("a") == [[1], [2, 3]]
    assert examples.first(None) is examples.first(99) is examples


def test_nothing_is_left_of_examples_that_were_not_finished(tmp_path: Path) -> None:
    def interrupted() -> None:
        with ExampleWriter(tmp_path / "x") as writer:
            writer.add(ids=[1])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_no_example_at_all_can_be_written_and_read(tmp_path: Path) -> None:
    with ExampleWriter(tmp_path / "x"):
        pass
    examples = Examples.open(tmp_path / "x")
    assert len(examples) == 0
    assert examples.lengths("ids").shape == (0,)


def test_only_what_is_read_is_brought_into_memory(tmp_path: Path) -> None:
    with ExampleWriter(tmp_path / "x") as writer:
        writer.add(ids=range(100))
    flat = Examples.open(tmp_path / "x")._columns["ids"].flat
    assert isinstance(flat.base, np.memmap)


@pytest.mark.parametrize("name", ["columns.json", "ids.values", "ids.lengths"])
@pytest.mark.parametrize("damage", ["short", "gone"])
def test_what_is_damaged_is_named(name: str, damage: str, tmp_path: Path) -> None:
    Examples.of({"ids": [[1, 2], [3]]}).save(tmp_path / "x")
    file = tmp_path / "x" / name
    file.unlink() if damage == "gone" else file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(DataError, match=r"x cannot be read: .*Delete it"):
        Examples.open(tmp_path / "x")


def test_a_document_cannot_lead_out_of_its_folder(tmp_path: Path) -> None:
    Examples.of({"ids": [[1, 2], [3]]}).save(tmp_path / "x")
    document = tmp_path / "x" / "columns.json"
    document.write_text(document.read_text().replace('"ids"', '"../x/ids"'))
    with pytest.raises(DataError, match="none of ours"):
        Examples.open(tmp_path / "x")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"a": [1]}, "must have the columns a, b, but number 1 has a"),
        ({"a": [1], "b": [0.5]}, "whole numbers or fractions, but has both"),
        ({"a": [1], "b": [[1]]}, r"a list of numbers, but has the shape \(1, 1\)"),
        ({"a": [1], "b": ["x"]}, "must hold numbers"),
        ({"a": [1], "b": [2**64 - 1]}, "must fit 64 bits"),
    ],
)
def test_an_example_unlike_the_first_is_refused(columns: dict[str, list[int]], message: str, tmp_path: Path) -> None:
    def written() -> None:
        with ExampleWriter(tmp_path / "x") as writer:
            writer.add(a=[1], b=[2])
            writer.add(**columns)

    with pytest.raises(DataError, match=message):
        written()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    Examples.of({"ids": [[1]]}).save(tmp_path / "x")
    with pytest.raises(DataError, match="must not be there yet"):
        Examples.of({"ids": [[2]]}).save(tmp_path / "x")
    assert Examples.open(tmp_path / "x").rows("ids") == [[1]]


def test_columns_of_different_heights_are_refused() -> None:
    with pytest.raises(DataError, match="as many rows"):
        Examples.of({"a": [[1]], "b": [[1], [2]]})
