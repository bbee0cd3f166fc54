import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("accelerate")
pytest.importorskip("yaml")

from tests.cli.conftest import Ran
from tests.cli.test_kinds import DATA, TINY

Bartleby = Callable[..., Ran]


@pytest.fixture
def command(tmp_path: Path) -> list[object]:
    config = tmp_path / "tiny.yaml"
    config.write_text(f"data: {DATA / 'chat'}\n{TINY}", encoding="utf-8")
    return ["train", "chat", "--config", config, "--run-dir", tmp_path / "run"]


def test_the_help_lists_kinds_first_and_what_comes_after(bartleby: Bartleby) -> None:
    words = bartleby("train", "--help").out.split()
    places = [words.index(name) for name in ("pretrain", "summarize", "chat", "distill", "export", "status")]
    assert places == sorted(places)


def test_other_commands_do_not_read_the_options_of_trainings() -> None:
    code = "import sys; from typer.main import get_command; from bartleby.cli import app; get_command(app)\n"
    code += "print('bartleby.cli.kinds' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"False\n"


def test_figures_of_an_evaluation_get_into_the_card(bartleby: Bartleby, command: list[object], tmp_path: Path) -> None:
    assert bartleby(*command, "--steps", 1, "--export", tmp_path / "model").code == 0
    options = ["--model", tmp_path / "model", "--data", DATA / "chat" / "train.jsonl", "--limit", 2, "--baselines"]
    ran = bartleby("evaluate", "chat", *options, "--json", tmp_path / "figures.json")
    assert ran.code == 0, ran.err
    figures = ["--figures", tmp_path / "figures.json", "--max-shard-size", "10KB", "--force"]
    ran = bartleby("train", "export", tmp_path / "run", tmp_path / "model", *figures)
    assert ran.code == 0, ran.err
    card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert "|  | this model | most_frequent | retrieval | people |\n" in card
    assert "| distinct_1 | " in card
    assert len([*(tmp_path / "model").glob("model-*.safetensors")]) > 1


def test_figures_that_no_evaluation_wrote_are_refused(bartleby: Bartleby, tmp_path: Path) -> None:
    (tmp_path / "figures.json").write_text('{"perplexity": 3}')
    ran = bartleby("train", "export", tmp_path, tmp_path / "out", "--figures", tmp_path / "figures.json")
    assert (ran.code, ran.out) == (1, "")
    assert "must be what `bartleby evaluate --json` wrote, but has no `data`, `examples`, `task`." in ran.err


def test_export_needs_a_run(bartleby: Bartleby, tmp_path: Path) -> None:
    ran = bartleby("train", "export", tmp_path, tmp_path / "out")
    assert (ran.code, ran.out) == (1, "")
    assert "must be the folder of a run" in ran.err


def test_a_run_folder_that_is_a_file_is_refused_in_one_line(
    bartleby: Bartleby, command: list[object], tmp_path: Path
) -> None:
    (tmp_path / "run").touch()
    ran = bartleby(*command, "--steps", 1)
    assert ran.code == 1
    assert "run must be a path that can be used, but is not: File exists." in ran.err
    assert "Traceback" not in ran.err
