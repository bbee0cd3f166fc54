from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("yaml")

from tests.cli.conftest import Ran
from tests.cli.test_kinds import DATA, TINY

Bartleby = Callable[..., Ran]


def test_a_run_tells_how_far_it_is_and_what_went_before(bartleby: Bartleby, tmp_path: Path) -> None:
    config = tmp_path / "tiny.yaml"
    config.write_text(TINY, encoding="utf-8")
    first, second = tmp_path / "first", tmp_path / "second"
    command = ["train", "chat", "--data", DATA / "chat"]
    assert bartleby(*command, "--config", config, "--run-dir", first, "--steps", 3).code == 0
    small = ["--batch-tokens", 200, "--precision", "no", "--validation-steps", 1]
    assert bartleby(*command, *small, "--model", first, "--run-dir", second, "--steps", 2).code == 0
    ran = bartleby("train", "status", second)
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    assert lines[0].startswith("chat: step 2 of 2, ")
    assert lines[1].startswith("loss: ")
    assert lines[2].startswith("validation after step 2: perplexity ")
    assert lines[3].startswith("best: perplexity ")
    assert lines[4] == "checkpoints after steps: 1, 2"
    assert lines[5].startswith("before: first, chat, ")
    assert len(lines) == 6


def test_a_folder_without_a_run_is_refused(bartleby: Bartleby, tmp_path: Path) -> None:
    ran = bartleby("train", "status", tmp_path)
    assert (ran.code, ran.out) == (1, "")
    assert "must be the folder of a run" in ran.err
