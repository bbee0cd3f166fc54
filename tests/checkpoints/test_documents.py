from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bartleby.checkpoints.documents import document_bytes, read_document
from bartleby.errors import CheckpointError


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
