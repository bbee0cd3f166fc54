import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bartleby.documents import (
    JOURNAL,
    current_file,
    document_bytes,
    made_folder,
    read_document,
    read_journal,
    read_json,
    write_whole,
)
from bartleby.errors import CheckpointError, TokenizerError


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"d_model": 4,\n  "vocab_size": }', "is no JSON: .* at line 2, column 17"),
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"[1, 2]", "must hold a JSON object, but holds a list"),
        (b'{"name": "\xff"}', "is no UTF-8 text: .* at byte 10"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b'{"a":' * 100_000, "is no usable JSON: .*recursion"),
        (b'{"a": ' + b"9" * 5000 + b"}", "is no usable JSON: .*digits"),
    ],
)
def test_what_is_no_json_object_is_refused_with_the_place(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=said):
        read_document(path)


def test_a_missing_document_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"config.json cannot be read: No such file"):
        read_document(tmp_path / "config.json")


documents = st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text()))


@settings(deadline=None, max_examples=50)
@given(documents)
def test_a_document_reads_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, document: dict[str, object]) -> None:
    path = tmp_path_factory.mktemp("documents") / "config.json"
    try:
        path.write_bytes(document_bytes(document))
    except CheckpointError:
        assert not str(document).isprintable()  # half of a surrogate pair has no UTF-8
        return
    assert read_document(path) == document


def test_documents_are_written_in_the_published_manner() -> None:
    assert document_bytes({"b": "é", "a": [1]}) == '{\n  "a": [\n    1\n  ],\n  "b": "é"\n}\n'.encode()


def test_values_without_a_json_form_are_refused() -> None:
    with pytest.raises(CheckpointError, match="must be plain JSON values, but: Object of type set"):
        document_bytes({"a": {1}})


def test_what_a_stopped_save_left_is_read(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(b'{"d_model": 1}')
    (tmp_path / "stale.json").write_bytes(b"{}")
    (tmp_path / ".saving-1-config.json").write_bytes(b'{"d_model": 2}')
    assert read_document(current_file(tmp_path, "config.json") or tmp_path) == {"d_model": 1}
    journal = {"moves": {".saving-1-config.json": "config.json"}, "removals": ["stale.json"]}
    (tmp_path / JOURNAL).write_bytes(document_bytes(journal))
    assert read_document(current_file(tmp_path, "config.json") or tmp_path) == {"d_model": 2}
    assert current_file(tmp_path, "stale.json") is None
    assert current_file(tmp_path, "other.json") is None


@pytest.mark.parametrize("journal", [{"moves": []}, {"moves": {"a": "../b"}, "removals": []}])
def test_a_damaged_journal_is_refused(tmp_path: Path, journal: dict[str, object]) -> None:
    (tmp_path / JOURNAL).write_bytes(document_bytes(journal))
    with pytest.raises(CheckpointError, match=r"damaged|outside its folder"):
        read_journal(tmp_path)


def test_a_text_is_written_whole(tmp_path: Path) -> None:
    write_whole(tmp_path / "a.json", "{}")
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    with pytest.raises(CheckpointError, match="must be a folder"):
        made_folder(tmp_path / "a.json")
    assert made_folder(tmp_path / "b" / "c").is_dir()


def test_a_text_that_cannot_be_written_leaves_what_was_there(tmp_path: Path) -> None:
    write_whole(tmp_path / "a.json", "old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(tmp_path / "a.json", "\ud800")
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert (tmp_path / "a.json").read_text() == "old"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipes_are_written_to_and_stay(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_whole(tmp_path / "pipe", "{}")
        assert os.read(reader, 9) == b"{}"
    finally:
        os.close(reader)
    assert (tmp_path / "pipe").is_fifo()


def test_the_error_of_bad_content_can_be_chosen(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"{")
    with pytest.raises(TokenizerError, match="is no JSON"):
        read_json(tmp_path / "a.json", TokenizerError)
