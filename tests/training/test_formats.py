import gzip
import json
import lzma
import os
import socket
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartleby.errors import DataError
from bartleby.training import formats
from bartleby.training.formats import Entry, entries

SQUAD = {
    "version": "v2.0",
    "data": [
        {
            "title": "Bartleby",
            "paragraphs": [
                {"context": "He is pale.", "qas": [{"id": "a", "question": "Is he?"}, {"id": "b", "question": "How?"}]},
                {"context": "He stays.", "qas": [{"id": "c", "question": "Does he?"}]},
            ],
        }
    ],
}


def packed(path: Path, text: str) -> Path:
    opener = {".xz": lzma.open, ".gz": gzip.open}.get(path.suffix, open)
    with opener(path, "wt", encoding="utf-8", newline="") as file:
        file.write(text)
    return path


def values(path: Path) -> list[object]:
    return [entry.value for entry in entries(path)]


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any attempt to reach the network fails the test."""

    def refuse(*arguments: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.mark.parametrize("packing", ["", ".gz", ".xz"])
def test_every_text_format_may_be_packed(tmp_path: Path, packing: str) -> None:
    wanted = [{"text": "one"}, {"text": "two"}]
    assert values(packed(tmp_path / f"a.jsonl{packing}", '{"text": "one"}\n\n{"text": "two"}\n')) == wanted
    assert values(packed(tmp_path / f"a.json{packing}", json.dumps(wanted))) == wanted
    assert values(packed(tmp_path / f"a.csv{packing}", "text\none\ntwo\n")) == wanted
    assert values(packed(tmp_path / f"a.tsv{packing}", "text\r\none\r\ntwo")) == wanted
    assert values(packed(tmp_path / f"a.txt{packing}", "one\n\ntwo\n")) == ["one", "two"]


def test_a_bad_line_of_json_spoils_no_other(tmp_path: Path) -> None:
    lines = ['{"a": 1}', "{oops", '{"a": "x", "b": [2]}', "[" * 100_000, "1" * 5000, '{"c": null}']
    found = list(entries(packed(tmp_path / "a.jsonl", "\n".join(lines))))
    assert [entry.value for entry in found if entry.fault is None] == [{"a": 1}, {"a": "x", "b": [2]}, {"c": None}]
    assert [entry.place for entry in found if entry.fault] == ["line 2", "line 4", "line 5"]


def test_cells_stay_as_they_are_and_rows_keep_the_number_of_their_line(tmp_path: Path) -> None:
    path = packed(
        tmp_path / "a.csv", '\ufefftext,label\r\n"two\nlines",007\r\n\r\nNA,"say ""no"""\r\nshort\r\na,b,c\r\nlast,1'
    )
    assert list(entries(path)) == [
        Entry("line 2", {"text": "two\nlines", "label": "007"}),
        Entry("line 5", {"text": "NA", "label": 'say "no"'}),
        Entry("line 6", fault="a row must have 2 fields, but has 1."),
        Entry("line 7", fault="a row must have 2 fields, but has 3."),
        Entry("line 8", {"text": "last", "label": "1"}),
    ]


def test_quotes_are_text_in_tsv_as_in_glue(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.tsv", 'sentence\tlabel\n"he said\t1\n')
    assert values(path) == [{"sentence": '"he said', "label": "1"}]


def test_a_file_without_a_header_is_given_one(tmp_path: Path) -> None:
    path = packed(tmp_path / "cola.tsv", "gj04\t1\t\tOur friends.\n")
    assert [entry.value for entry in entries(path, ("source", "label", "mark", "sentence"))] == [
        {"source": "gj04", "label": "1", "mark": "", "sentence": "Our friends."}
    ]
    with pytest.raises(DataError, match="a name of its own, but they are text, text"):
        list(entries(packed(tmp_path / "b.csv", "text,text\na,b\n")))


def test_blanks_around_names_of_columns_are_no_part_of_them(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(" Body ,Title \n text , b\n")
    assert values(tmp_path / "a.csv") == [{"Body": " text ", "Title": " b"}]


def test_long_cells_are_read(tmp_path: Path) -> None:
    assert values(packed(tmp_path / "a.csv", "text\n" + "a" * 200_000)) == [{"text": "a" * 200_000}]


def test_lines_of_a_text_are_one_document_until_a_blank_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = packed(tmp_path / "a.txt", "\n\ufeffOne.\nTwo.\n \n\nThree\x0b\u2028.\n")
    assert list(entries(path)) == [Entry("line 2", "One.\nTwo."), Entry("line 6", "Three\x0b\u2028.")]
    monkeypatch.setattr(formats, "TEXT_LINES", 2)
    assert values(packed(tmp_path / "b.txt", "1\n2\n3\n4\n5\n")) == ["1\n2", "3\n4", "5"]


def test_questions_of_squad_come_with_their_context(tmp_path: Path) -> None:
    found = list(entries(packed(tmp_path / "dev-v2.0.json", json.dumps(SQUAD))))
    assert [(entry.value["id"], entry.value["context"]) for entry in found] == [
        ("a", "He is pale."),
        ("b", "He is pale."),
        ("c", "He stays."),
    ]
    assert found[2].place == "record 1, paragraph 2, question 1"


def test_a_json_file_of_lines_is_read_as_such(tmp_path: Path) -> None:
    assert values(packed(tmp_path / "a.json", '{"a": 1}\n{"a": 2}\n{"a": 3}\n')) == [{"a": 1}, {"a": 2}, {"a": 3}]
    assert values(packed(tmp_path / "b.json", json.dumps([{"a": 1}], indent=2))) == [{"a": 1}]
    assert values(packed(tmp_path / "c.json", '{"data": [{"paragraphs": ["x"]}]}')) == [{"paragraphs": ["x"]}]


def test_parquet_streams_without_network_or_leftovers(
    tmp_path: Path, offline: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets
    import pyarrow as pa
    from pyarrow import parquet

    monkeypatch.setattr(formats, "ROWS_AT_ONCE", 2)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "home"))
    path = tmp_path / "a[1]*.parquet"  # as file names go, no pattern
    parquet.write_table(pa.table({"text": ["a", None, "c"], "labels": [["x"], [], ["y", "z"]]}), path)
    assert list(entries(path)) == [
        Entry("row 1", {"text": "a", "labels": ["x"]}),
        Entry("row 2", {"text": None, "labels": []}),
        Entry("row 3", {"text": "c", "labels": ["y", "z"]}),
    ]
    assert sorted(os.listdir(tmp_path)) == ["a[1]*.parquet"]


def test_a_table_that_asks_for_a_picture_fetches_none(tmp_path: Path, offline: None) -> None:
    import datasets
    import pyarrow as pa
    from pyarrow import parquet

    schema = datasets.Features({"text": datasets.Value("string"), "seen": datasets.Image()}).arrow_schema
    there = {"bytes": None, "path": "http://localhost/x.png"}
    parquet.write_table(pa.table({"text": ["a"], "seen": [there]}, schema=schema), tmp_path / "a.parquet")
    assert values(tmp_path / "a.parquet") == [{"text": "a", "seen": there}]


@pytest.mark.parametrize(
    "name", ["a.jsonl", "a.jsonl.xz", "a.jsonl.gz", "a.json", "a.csv", "a.tsv.gz", "a.txt", "a.txt.xz", "a.parquet"]
)
def test_what_is_no_such_file_is_a_data_error(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with pytest.raises(DataError, match=r"cannot be read: .*(there is no|No such) file"):
        list(entries(path))
    path.write_bytes(b"\xff\xfe\x00 no such format")
    with pytest.raises(DataError, match=rf"{name} cannot be read: .* Fetch the file again\."):
        list(entries(path))


def test_a_broken_table_is_told_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.parquet").write_bytes(b"no such format")
    with pytest.raises(DataError, match=r"[a-z]\. Fetch the file again\.$"):
        list(entries(tmp_path / "a.parquet"))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", ["a.jsonl.xz", "a.jsonl.gz", "a.csv.gz", "a.txt.gz", "a.parquet", "a.csv"])
def test_a_file_that_ends_too_early_is_a_data_error(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "a.parquet":
        import pyarrow as pa
        from pyarrow import parquet

        parquet.write_table(pa.table({"text": [str(number) for number in range(5000)]}), path)
    else:
        packed(path, "text\n" + "".join(f'"{number * number}\n"\n' for number in range(5000)))
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(DataError, match="cannot be read"):
        list(entries(path))


@given(
    st.binary(max_size=200), st.sampled_from([".jsonl", ".json", ".csv", ".tsv"]), st.sampled_from(["", ".gz", ".xz"])
)
def test_any_bytes_are_entries_or_a_data_error(content: bytes, ending: str, packing: str) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"a{ending}{packing}"
        path.write_bytes({".gz": gzip.compress, ".xz": lzma.compress}.get(packing, bytes)(content))
        with suppress(DataError):
            assert all(entry.place.startswith(("line ", "record ")) for entry in entries(path))


def test_other_endings_are_refused(tmp_path: Path) -> None:
    for name in ("a.pickle", "a.parquet.gz", "a.py", "a.gz"):
        with pytest.raises(DataError, match=r"must end in \.jsonl, \.json"):
            list(entries(tmp_path / name))
