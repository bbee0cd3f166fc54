import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from bartleby.errors import CheckpointError, OptionError
from bartleby.training.runs import STATE, Lock, RunFolder, checkpoint_of, run_and_step, runs_folder


def save(folder: RunFolder, step: int, keep: int = 2) -> Path:
    """A checkpoint that holds its step alone."""
    return folder.save(step, lambda path: torch.save({"step": step}, path / STATE), keep)


def names(folder: RunFolder) -> list[str]:
    return [path.name for path in folder.checkpoints()]


def test_a_recipe_that_differs_is_refused_field_by_field(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert folder.recipe is None
    folder.settle({"steps": 10, "betas": (0.9, 0.98), "seed": 0})
    save(folder, 2)
    folder.settle({"steps": 10, "betas": [0.9, 0.98], "seed": 0})  # the same, as JSON has it
    told = r"""(?s) must be trained in with the recipe it was started with, but this one differs:
  - `rate` is 1 here, but None there.
  - `steps` is 20 here, but 10 there.
To go on, give the same options as there. .*another `--run-dir`, and `--model .*` to start it from what"""
    with pytest.raises(OptionError, match=told):
        folder.settle({"steps": 20, "betas": (0.9, 0.98), "seed": 0, "rate": 1})
    assert folder.recipe == {"steps": 10, "betas": [0.9, 0.98], "seed": 0}


def test_a_start_without_a_checkpoint_gives_way_to_another_recipe(tmp_path: Path) -> None:
    folder, told = RunFolder(tmp_path), list[str]()
    folder.settle({"field": "Boody", "rate": 1})
    folder.prepared(lambda path: {"examples": 3})
    for leftover in ("metrics.jsonl", "stages.json", "best.json"):
        (tmp_path / leftover).write_text("{}")
    (tmp_path / "mine.txt").touch()
    folder.settle({"field": "Boody", "rate": 2}, {"field"}, told.append)
    assert folder.figures == {"examples": 3}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "mine.txt", "recipe.json"]
    folder.settle({"field": "body", "rate": 2}, {"field"}, told.append)
    assert folder.figures is None
    assert folder.prepared(lambda path: {"examples": 4})[1] == {"examples": 4}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "mine.txt", "recipe.json"]
    assert folder.recipe == {"field": "body", "rate": 2}
    start = f"{tmp_path} holds no checkpoint yet, so its recipe is replaced: "
    assert told == [
        f"{start}`rate` 1 by 2. Its examples stay.",
        f"{start}`field` 'Boody' by 'body'. Its examples are made anew.",
    ]


def test_a_run_that_was_started_before_a_field_was_noted_goes_on(tmp_path: Path) -> None:
    folder, now = RunFolder(tmp_path), {"steps": 10, "validation_corpora": {"news": 5}}
    folder.settle({"steps": 10})
    save(folder, 2)
    folder.settle(now)
    assert folder.recipe == {"steps": 10}
    new = RunFolder(tmp_path / "new")
    new.settle(now)
    save(new, 2)
    with pytest.raises(OptionError, match=r"`validation_corpora` is {'news': 6} here, but {'news': 5} there"):
        new.settle({**now, "validation_corpora": {"news": 6}})


def test_steps_that_are_not_known_yet_are_those_of_before(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.settle({"steps": None, "seed": 0})
    folder.settle_steps(7)
    folder.settle({"steps": None, "seed": 0})
    assert folder.recipe == {"steps": None, "seed": 0}  # nothing was learnt, so they are found out anew
    folder.settle_steps(10)
    save(folder, 2)
    folder.settle({"steps": None, "seed": 0})
    folder.settle({"steps": 10, "seed": 0})
    assert folder.recipe == {"steps": 10, "seed": 0}


@pytest.mark.parametrize("text", ['{"steps": ', "[]"])
def test_a_damaged_recipe_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "recipe.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"recipe\.json cannot be read"):
        RunFolder(tmp_path).settle({"steps": 1})


def test_only_the_newest_checkpoints_and_the_best_stay(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    for step in (2, 4, 6):
        save(folder, step)
        if step == 2:
            folder.note_best(2, "perplexity", 5.0)
    assert names(folder) == ["step-00000002", "step-00000004", "step-00000006"]
    save(folder, 8)
    assert names(folder) == ["step-00000002", "step-00000006", "step-00000008"]
    folder.note_best(8, "perplexity", 4.0)
    folder.tidy(keep=1)
    assert names(folder) == ["step-00000008"]
    assert folder.newest_state() == {"step": 8}


def test_what_a_kill_left_half_done_is_neither_seen_nor_kept(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    save(folder, 2)
    for leftover in (".step-00000004.99", ".step-00000001.removed"):
        (tmp_path / "checkpoints" / leftover).mkdir()
        (tmp_path / "checkpoints" / leftover / "config.json").touch()
    assert names(folder) == ["step-00000002"]
    save(folder, 4)
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["step-00000002", "step-00000004"]


def test_a_checkpoint_that_could_not_be_written_leaves_nothing(tmp_path: Path) -> None:
    def write(path: Path) -> None:
        (path / "half").touch()
        raise OSError("the disk is full")

    folder = RunFolder(tmp_path)
    with pytest.raises(OSError, match="full"):
        folder.save(3, write, 2)
    assert list((tmp_path / "checkpoints").iterdir()) == []


@pytest.mark.parametrize("damage", ["short", "gone", "empty", "pickle"])
def test_a_damaged_state_is_named(damage: str, tmp_path: Path) -> None:
    state = save(RunFolder(tmp_path), 2) / STATE
    if damage == "gone":
        state.unlink()
    elif damage == "pickle":
        state.write_bytes(b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00id\x85R.")
    else:
        state.write_bytes(state.read_bytes()[: 200 if damage == "short" else 0])
    with pytest.raises(CheckpointError, match=r"step-00000002 cannot be resumed: its training_state\.pt is"):
        RunFolder(tmp_path).newest_state()


def test_a_best_checkpoint_that_is_gone_is_none(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert folder.best is folder.newest_state() is None
    folder.note_best(2, "perplexity", 5.0)
    assert folder.best is None
    save(folder, 2)
    assert folder.best == folder.checkpoints()[0]
    (tmp_path / "best.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"best\.json cannot be read.*Delete it"):
        _ = folder.best


def test_a_run_stands_for_its_best_checkpoint(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.settle({"steps": 10})
    with pytest.raises(CheckpointError, match="but has none yet"):
        checkpoint_of(str(folder.path))
    save(folder, 2)
    newest = save(folder, 4)
    assert checkpoint_of(str(folder.path)) == str(newest)
    folder.note_best(2, "perplexity", 5.0)
    assert Path(checkpoint_of(str(folder.path))).name == "step-00000002"
    found = run_and_step(str(folder.path))
    assert found is not None
    assert (found[0].path, found[1]) == (folder.path, 2)
    other = run_and_step(str(newest))
    assert other is not None
    assert other[1] == 4


@pytest.mark.parametrize("name", ["facebook/bart-base", "bartleby-chat-mini", "/nowhere/at/all"])
def test_other_names_stay_what_they_are(name: str) -> None:
    assert checkpoint_of(name) == name
    assert run_and_step(name) is None


def test_examples_are_made_once(tmp_path: Path) -> None:
    def prepare(folder: Path) -> dict[str, int]:
        (folder / "made").touch()
        return {"examples": 3}

    folder = RunFolder(tmp_path)
    path, figures = folder.prepared(prepare)
    assert figures == {"examples": 3}
    assert json.loads((path / "figures.json").read_text()) == {"examples": 3}
    assert folder.prepared(lambda path: {}) == (path, None)
    assert [each.name for each in tmp_path.iterdir()] == ["data"]


def test_examples_half_made_are_made_anew(tmp_path: Path) -> None:
    (tmp_path / ".data.99").mkdir()

    def prepare(folder: Path) -> dict[str, int]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        RunFolder(tmp_path).prepared(prepare)
    assert list(tmp_path.iterdir()) == []


def test_a_lock_is_held_until_it_is_released(tmp_path: Path) -> None:
    first = Lock(tmp_path / "lock")
    with pytest.raises(OptionError, match=f"twice at once, but process {os.getpid()} does"):
        Lock(tmp_path / "lock")
    first.release()
    Lock(tmp_path / "lock").release()


def test_the_lock_of_a_process_that_was_killed_is_nobody_s(tmp_path: Path) -> None:
    code = f"""
import os, signal
from pathlib import Path
from bartleby.training.runs import Lock

lock = Lock(Path({str(tmp_path / "lock")!r}))
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    assert (tmp_path / "lock").read_text().strip().isdigit()
    Lock(tmp_path / "lock").release()


def test_runs_live_in_the_user_s_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert runs_folder() == tmp_path / "bartleby" / "runs"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert runs_folder() == Path.home() / ".cache" / "bartleby" / "runs"
