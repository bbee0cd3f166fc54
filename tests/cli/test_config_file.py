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
        ("steps: 1\nseed: 0\nsteps: 2\n", "Line 3: `steps` stands in the file already"),
        ("model: {d_model: 16}\n", "Line 1: `model` must be one value or a list"),
        ("change: [[1]]\n", "Line 1: `change` must be one value or a list"),
        ("a: &a [*a]\n", "must be one value or a list"),
        ("data: !!python/object/apply:os.system [ls]\n", "Line 1: `data` must be one value"),
        ("data: !!python/name:os.system x\n", "Line 1: `data` must be one value"),
        ("data: !mine x\n", "Line 1: `data` must be one value"),
        ("? [a]\n: 1\n", "Line 1: a name must be a word"),
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


def test_all_faults_are_told_at_once(written) -> None:
    with pytest.raises(OptionError, match="2 faults") as refused:
        read_config(written("a: {}\nb: 1\nb: 2\n"))
    assert "Line 1" in str(refused.value)
    assert "Line 3" in str(refused.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="`--config` must be a file that can be read"):
        read_config(tmp_path / "none.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"a: \xff\n")
    with pytest.raises(OptionError, match="must be YAML"):
        read_config(tmp_path / "bytes.yaml")
