import json
import shutil
from pathlib import Path

import pytest
import torch

from bartleby.backends.pytorch.models import BlenderbotForConditionalGeneration
from bartleby.errors import CheckpointError, OptionError
from bartleby.training.runs import RunFolder, runs_folder
from tests.training.tiny import tiny_run


def test_a_recipe_that_differs_is_refused_field_by_field(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert folder.recipe is None
    folder.settle({"steps": 10, "betas": (0.9, 0.98), "seed": 0})
    folder.settle({"steps": 10, "betas": [0.9, 0.98], "seed": 0})  # the same, as JSON has it
    with pytest.raises(
        OptionError, match=r"(?s)2 faults.*`rate` is 1 here, but None there.*`steps` is 20 here, but 10"
    ):
        folder.settle({"steps": 20, "betas": (0.9, 0.98), "seed": 0, "rate": 1})
    assert folder.recipe == {"steps": 10, "betas": [0.9, 0.98], "seed": 0}


def test_a_damaged_recipe_is_named(tmp_path: Path) -> None:
    (tmp_path / "recipe.json").write_text('{"steps": ')
    with pytest.raises(CheckpointError, match=r"recipe\.json cannot be read"):
        RunFolder(tmp_path).settle({"steps": 1})


def test_figures_come_back_by_kind_without_a_line_cut_short(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert folder.figures("step") == []
    folder.log({"kind": "step", "loss": 2.5})
    folder.log({"kind": "corpora"})
    with folder.metrics.open("a") as file:
        file.write('{"kind": "step", "lo')
    assert folder.figures("step") == [{"kind": "step", "loss": 2.5}]


def test_a_figure_logged_after_a_kill_starts_its_own_line(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.metrics.write_text('{"kind": "step", "loss": 2.5}\n{"kind": "st')
    folder.log({"kind": "step", "loss": 2.25})
    assert [figure["loss"] for figure in folder.figures("step")] == [2.5, 2.25]


def test_the_last_two_checkpoints_stay(corpora: Path, tmp_path: Path) -> None:
    run = tiny_run(corpora, tmp_path, steps=4)
    for _ in run.steps():
        run.save()
    assert [path.name for path in run.folder.checkpoints()] == ["step-00000003", "step-00000004"]
    assert run.save() == run.folder.checkpoints()[-1]  # nothing was learnt since


def test_a_checkpoint_is_a_model_like_any_other(finished_run: Path) -> None:
    [checkpoint] = RunFolder(finished_run).checkpoints()
    model = BlenderbotForConditionalGeneration.from_pretrained(checkpoint)
    assert model.dtype == torch.float32
    assert (model.config.d_model, model.config.turn_layout) == (16, "last_three")
    assert (checkpoint / "tokenizer_config.json").is_file()


def test_a_save_that_was_killed_leaves_the_checkpoint_before_it(corpora: Path, tmp_path: Path) -> None:
    run = tiny_run(corpora, tmp_path, steps=4)
    steps = run.steps()
    next(steps)
    run.save()
    cut_short = tmp_path / "checkpoints" / ".step-00000002.4711"
    shutil.copytree(run.folder.checkpoints()[-1], cut_short)
    (cut_short / "training_state.pt").unlink()
    again = tiny_run(corpora, tmp_path, steps=4)
    assert again.trainer.step == 1
    list(again.steps())
    again.save()
    assert not cut_short.exists()


def test_a_checkpoint_that_cannot_be_resumed_is_named(finished_run: Path, corpora: Path, tmp_path: Path) -> None:
    shutil.copytree(finished_run, tmp_path / "run")
    [checkpoint] = RunFolder(tmp_path / "run").checkpoints()
    (checkpoint / "training_state.pt").write_bytes(b"no tensors")
    with pytest.raises(CheckpointError, match="step-00000006 cannot be resumed"):
        tiny_run(corpora, tmp_path / "run", steps=6)


def test_runs_live_in_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert runs_folder() == tmp_path / "bartleby" / "runs"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert runs_folder() == Path.home() / ".cache" / "bartleby" / "runs"


def test_metrics_are_json_lines(finished_run: Path) -> None:
    lines = (finished_run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    kinds = [json.loads(line)["kind"] for line in lines]
    assert kinds == ["corpora", "validation corpus", "start", *["step"] * 6, "validation"]
