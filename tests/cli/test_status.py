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


def test_a_run_that_ended_early_says_so_until_it_goes_on(bartleby: Bartleby, tmp_path: Path) -> None:
    config = tmp_path / "tiny.yaml"
    config.write_text(TINY, encoding="utf-8")
    command = ["train", "chat", "--data", DATA / "chat", "--config", config, "--run-dir", tmp_path / "run"]
    command += ["--steps", 9, "--validation-steps", 1, "--checkpoint-steps", 1, "--learning-rate", 5]
    assert bartleby(*command, "--patience", 1).code == 0
    told = "\nended before its last step: 1 validation in a row no better than the best (perplexity"
    assert told in bartleby("train", "status", tmp_path / "run").out
    assert bartleby(*command).code == 0
    assert "ended before" not in bartleby("train", "status", tmp_path / "run").out


def test_without_a_run_all_in_the_cache_are_told_of(
    bartleby: Bartleby, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    runs = tmp_path / "bartleby" / "runs"
    assert bartleby("train", "status").out.startswith(f"There are no runs in {runs}.")
    for name, text in (("chat", '{"kind": "chat", "steps": 5}'), ("damaged", "{"), ("none", None)):
        (runs / name).mkdir(parents=True)
        if text is not None:
            (runs / name / "recipe.json").write_text(text)
    (runs / "chat" / "best.json").write_text('{"step": 2, "metric": "perplexity", "value": 5.0}')
    ran = bartleby("train", "status")
    assert ran.code == 0
    chat, damaged = ran.out.splitlines()
    assert chat.startswith(f"{runs / 'chat'}: chat: step 0 of 5, ")
    assert chat.endswith("; best perplexity 5")
    assert f"{runs / 'damaged'}: " in damaged
    assert "recipe.json cannot be read" in damaged


def test_a_folder_without_a_run_is_refused(bartleby: Bartleby, tmp_path: Path) -> None:
    ran = bartleby("train", "status", tmp_path)
    assert (ran.code, ran.out) == (1, "")
    assert "must be the folder of a run" in ran.err
