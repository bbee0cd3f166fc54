from pathlib import Path

import pytest

pytest.importorskip("yaml")

from bartleby.cli.config_file import Entry, read_config
from bartleby.errors import OptionError


@pytest.fixture
def written(tmp_path: Path):
    def write(text: str) -> Path:
        path = tmp_path / "run.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_values_are_words_numbers_truths_nothing_and_lists(written) -> None:
    text = """
        # how it learns
        steps: 200
        learning_rate: 2e-3
        precision: no
        streaming: true
        validation:
        change: [d_model=16, "encoder_layers=1"]
        leave_out:
          - old_*
        title: "12"
    """
    values = {entry.name: entry.value for entry in read_config(written(text))}
    assert values == {
        "steps": 200,
        "learning_rate": 0.002,
        "precision": "no",
        "streaming": True,
        "validation": None,
        "change": ["d_model=16", "encoder_layers=1"],
        "leave_out": ["old_*"],
        "title": "12",
    }
    assert type(values["steps"]) is int


def test_entries_know_their_lines(written) -> None:
    assert read_config(written("a: 1\n\nb: x\n")) == [Entry("a", 1, 1), Entry("b", "x", 3)]


@pytest.mark.parametrize("text", ["", "# nothing yet\n"])
def test_an_empty_file_gives_nothing(written, text: str) -> None:
    assert read_config(written(text)) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("steps: 1\nseed: 0\nsteps: 2\n", "`steps` stands in the file already, in line 1."),
        ("seed: 0\n\nmodel: {d_model: 16}\n", "`model` must be one value or a list"),
        ("seed: 0\n\nchange: [[1]]\n", "`change` must be one value or a list"),
        ("\n\na: &a [*a]\n", "must be one value or a list"),
        ("\n\ndata: !!python/object/apply:os.system [ls]\n", "`data` must be one value"),
        ("\n\ndata: !!python/name:os.system x\n", "`data` must be one value"),
        ("\n\ndata: !mine x\n", "`data` must be one value"),
        ("\n\n? [a]\n: 1\n", "a name must be a word"),
    ],
)
def test_a_line_that_is_no_option_says_why(written, text: str, message: str) -> None:
    *before, last = read_config(written(text))
    assert (last.line, [entry.fault for entry in before]) == (3, [None] * len(before))
    assert message in str(last.fault)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- steps\n", "must hold lines"),
        ("steps\n", "must hold lines"),
        ("a: [1\n", "must be YAML"),
        ("a: 1\n---\nb: 2\n", "must be YAML"),
    ],
)
def test_what_is_no_list_of_options_is_refused(written, text: str, message: str) -> None:
    with pytest.raises(OptionError, match=r"run\.yaml") as refused:
        read_config(written(text))
    assert message in str(refused.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="`--config` must be a file that can be read"):
        read_config(tmp_path / "none.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"a: \xff\n")
    with pytest.raises(OptionError, match="must be YAML"):
        read_config(tmp_path / "bytes.yaml")
