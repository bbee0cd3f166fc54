import json
from pathlib import Path

import pytest

from bartleby.errors import CheckpointError
from bartleby.training.journal import Journal
from bartleby.training.runs import RunFolder
from bartleby.training.stages import (
    Stage,
    all_stages,
    in_todays_names,
    own_stage,
    read_stages,
    stages_before,
    write_stages,
)

STEP = {"examples": 10, "tokens": 100, "seconds": 30.0, "loss": 1.0}


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A run that took three steps, the second of them twice."""
    folder = RunFolder(tmp_path / "first")
    folder.settle({"kind": "chat", "steps": 3, "seed": 0})
    journal = Journal(folder.path)
    journal.log("data", {"records": {"talks": 8}, "examples": 40})
    for step in (1, 2):
        journal.log("step", {"step": step, **STEP})
    start = {"step": 0, "device": "cpu", "threads": 2, "cores": 4}
    journal.log("start", start)
    journal.log("start", {**start, "device": "cuda", "name": "H200", "processes": 2})
    journal.log("validation", {"step": 2, "perplexity": 9.0})
    for step in (2, 3):
        journal.log("step", {"step": step, **STEP})
    folder.save(2, lambda path: None, 5)
    folder.save(3, lambda path: None, 5)
    return folder


def test_a_stage_counts_steps_once_and_time_as_it_was_spent(run: RunFolder) -> None:
    stage = own_stage(run, 3)
    assert (stage.name, stage.kind, stage.step) == ("first", "chat", 3)
    assert (stage.examples, stage.tokens, stage.minutes) == (30, 300, 2.0)
    assert stage.machines == ("2 of 4 cores (cpu)", "2 of 4 cores (H200, 2 processes)")
    assert stage.data["records"] == {"talks": 8}
    assert stage.figures["perplexity"] == 9.0


def test_what_came_after_the_checkpoint_does_not_count(run: RunFolder) -> None:
    assert (own_stage(run, 1).examples, own_stage(run, 1).minutes, own_stage(run, 1).figures) == (10, 0.5, {})


def test_stages_add_up_from_run_to_run(run: RunFolder, tmp_path: Path) -> None:
    second = RunFolder(tmp_path / "second")
    second.settle({"kind": "summarize", "steps": 1})
    write_stages(second.path, stages_before(str(run.checkpoint(2))))
    assert [(stage.name, stage.step) for stage in all_stages(second, 0)] == [("first", 2), ("second", 0)]
    assert read_stages(second.path) == [own_stage(run, 2)]


def test_a_checkpoint_from_elsewhere_is_a_stage_of_which_little_is_known() -> None:
    assert stages_before(None) == []
    assert stages_before("facebook/bart-base") == [Stage("bart-base")]


def test_the_first_trainer_s_runs_are_understood(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "old")
    recipe = {"preset": "bartleby-chat-mini", "chat_layout": "last_three", "chat_seed": 0, "optimizer_name": "muon"}
    folder.settle({**recipe, "optimizer_learning_rate": 0.002, "steps": 4, "seed": 0})
    lines = [{"kind": "corpora", "dialogues": {"casino": 9}, "examples": 40}, {"kind": "step", "step": 1, **STEP}]
    folder.path.joinpath("metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    stage = own_stage(folder, 4)
    assert stage.kind == "chat"
    assert stage.data["records"] == {"casino": 9}
    names = {"layout": "last_three", "optimizer": "muon", "learning_rate": 0.002, "steps": 4, "seed": 0}
    assert stage.recipe == {"kind": "chat", "preset": "bartleby-chat-mini", **names}
    assert in_todays_names(stage.recipe) == stage.recipe


def test_stages_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    assert read_stages(tmp_path) == []
    (tmp_path / "stages.json").write_text('[{"nome": "x"}]')
    with pytest.raises(CheckpointError, match=r"stages\.json cannot be read"):
        read_stages(tmp_path)
