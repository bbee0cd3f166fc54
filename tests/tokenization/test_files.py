import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import AddedToken

from bartleby.errors import CheckpointError, TokenizerError
from bartleby.tokenization.byte_level import BartTokenizer
from bartleby.tokenization.files import (
    backend_json,
    merges_of,
    need_files,
    no_panic,
    read_backend,
    read_json,
    read_merges,
    read_vocabulary,
    token_as_dict,
    token_from_dict,
    vocabulary_texts,
    write_files,
)


def test_every_missing_file_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError) as caught:
        need_files({"vocab_file": tmp_path / "none.json", "merges_file": None})
    assert all(part in str(caught.value) for part in ("none.json", "`merges_file` is not given", "from_pretrained"))


def test_a_vocabulary_lists_all_its_faults() -> None:
    with pytest.raises(TokenizerError) as caught:
        read_vocabulary({"a": 0, "b": 0, "c": -1, "d": "x"})  # type: ignore[dict-item]
    assert all(part in str(caught.value) for part in ("3 faults", "'a' and 'b' share the id 0", "'c'", "'d'"))


@pytest.mark.parametrize("vocabulary", [{"a": 1 << 32}, {"\ud800": 0}])
def test_what_no_tokenizer_can_hold_is_refused(vocabulary: dict[str, int]) -> None:
    with pytest.raises(TokenizerError, match="must be"):
        read_vocabulary(vocabulary)


@pytest.mark.parametrize("text", ['{"a": 0,', "[1, 2]", '"text"'])
def test_a_file_that_is_no_vocabulary_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "vocab.json").write_text(text)
    with pytest.raises(TokenizerError, match=r"vocab\.json"):
        read_vocabulary(tmp_path / "vocab.json")


def test_merges_list_all_their_faults_by_line(tmp_path: Path) -> None:
    path = tmp_path / "merges.txt"
    path.write_text("#version: 0.2\na b\na b c\na\na z\n\nab a\n")
    with pytest.raises(TokenizerError) as caught:
        read_merges(path, {"a": 0, "b": 1, "ab": 2})
    message = str(caught.value)
    assert "4 faults" in message
    assert all(f"line {line} " in message for line in (3, 4, 5, 7))
    assert "'z', 'az'" in message


def test_very_many_faults_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "merges.txt"
    path.write_text("oops\n" * 1000)
    with pytest.raises(TokenizerError, match="and 980 more"):
        read_merges(path, {})


def test_merges_come_as_lines_or_pairs(tmp_path: Path) -> None:
    vocabulary = {"a": 0, "b": 1, "ab": 2}
    path = tmp_path / "merges.txt"
    path.write_bytes(b"#version: 0.2\r\na b\r\n")
    assert read_merges(["a b"], vocabulary) == read_merges([("a", "b")], vocabulary) == read_merges(path, vocabulary)


def test_a_first_line_with_a_hash_may_be_a_merge(tmp_path: Path) -> None:
    (tmp_path / "merges.txt").write_text("# a\n")
    assert read_merges(tmp_path / "merges.txt", {"#": 0, "a": 1, "#a": 2}) == [("#", "a")]


def test_what_is_written_reads_back(bart: BartTokenizer, tmp_path: Path) -> None:
    vocabulary, merges = vocabulary_texts(bart.backend_tokenizer)
    write_files(tmp_path / "new", {"vocab.json": vocabulary, "merges.txt": merges})
    read = read_vocabulary(tmp_path / "new" / "vocab.json")
    assert read == bart.get_vocab()
    assert list(read.values()) == sorted(read.values())
    assert read_merges(tmp_path / "new" / "merges.txt", read) == merges_of(bart.backend_tokenizer)
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["merges.txt", "vocab.json"]


def test_older_releases_can_read_the_merges_of_tokenizer_json(bart: BartTokenizer, tmp_path: Path) -> None:
    text = backend_json(bart.backend_tokenizer)
    assert all(isinstance(merge, str) for merge in json.loads(text)["model"]["merges"])
    (tmp_path / "tokenizer.json").write_text(text)
    again = read_backend(tmp_path / "tokenizer.json")
    assert again.encode("Hello <mask> world").ids == bart("Hello <mask> world")["input_ids"]


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TokenizerError, match="`save_directory` must be a folder"):
        write_files(tmp_path / "file", {"a": "b"})


def test_a_broken_write_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_files(tmp_path, {"a": "new", "b": "\ud800"})
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "old"}


@pytest.mark.parametrize("text", ["{", '{"model": 1}', ""])
def test_a_broken_tokenizer_json_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "tokenizer.json").write_text(text)
    with pytest.raises(TokenizerError, match=r"tokenizer\.json is not a tokenizer\.json"):
        read_backend(tmp_path / "tokenizer.json")
    with pytest.raises(CheckpointError, match="not a file"):
        read_backend(tmp_path / "none.json")


@pytest.mark.parametrize("content", [b"\xff\xfe{}", b"[" * 100_000, b"[" + b"9" * 5000 + b"]"])
def test_what_cannot_be_read_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(TokenizerError, match=r"a\.json is no (usable JSON|JSON|UTF-8)"):
        read_json(tmp_path / "a.json")


def test_an_added_token_is_its_fields() -> None:
    token = AddedToken("<x>", lstrip=True, special=True, normalized=False)
    assert token_as_dict(token_from_dict({**token_as_dict(token), "__type": "AddedToken"})) == token_as_dict(token)


@pytest.mark.parametrize("fields", [{}, {"content": "x", "left": True}, {"content": "x", "special": "x"}])
def test_fields_that_are_no_token_are_shown(fields: dict[str, Any]) -> None:
    with pytest.raises(TokenizerError, match="does not describe an added token"):
        token_from_dict(fields)


def test_a_part_that_breaks_the_library_down_is_an_error_like_any_other(bart: BartTokenizer, tmp_path: Path) -> None:
    data = json.loads(bart.backend_tokenizer.to_str())
    data["pre_tokenizer"] = {"type": "FixedLength", "length": 0}
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(TokenizerError, match="broke down"):
        read_backend(path)


def test_only_panics_are_turned_into_errors() -> None:
    with pytest.raises(KeyboardInterrupt), no_panic("here"):
        raise KeyboardInterrupt
