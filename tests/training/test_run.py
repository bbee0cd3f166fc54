import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bartleby.backends.pytorch.models import BlenderbotForConditionalGeneration
from bartleby.errors import CheckpointError, OptionError
from bartleby.training.adapter_files import load_adapter
from bartleby.training.cadence import RunOptions
from bartleby.training.journal import ENDED, Journal
from bartleby.training.recipes.recipe import ModelOptions
from bartleby.training.run import ADAPTER, Run
from bartleby.training.runs import RunFolder
from bartleby.training.stages import read_stages
from tests.training.run_together import STEPS, STOPPED
from tests.training.tiny import quiet, tiny_recipe, tiny_run, tiny_training

ROOT = Path(__file__).resolve().parents[2]


def losses(run: Run) -> list[float]:
    return [report.loss for report in run.steps()]


def measured_as(run: Run, perplexities: dict[int, float]) -> None:
    """Let `run` measure these figures after these steps."""

    def measure(examples: int | None) -> dict[str, float]:
        return {"perplexity": perplexities[run.trainer.step], "examples": examples or 40}

    run.measure = measure


@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
def test_a_run_that_was_killed_takes_the_same_steps(corpora: Path, tmp_path: Path, ema_decay: float) -> None:
    def made(name: str) -> Run:
        training = tiny_training(8, ema_decay=ema_decay)
        return Run(tiny_recipe(corpora), training, RunOptions(), tmp_path / name, quiet)

    whole = made("whole")
    unbroken, figures = losses(whole), whole.validate()
    killed = made("killed")
    steps = killed.steps()
    before = [next(steps).loss for _ in range(3)]
    killed.save()
    next(steps)  # learnt, but not saved
    killed.close()
    again = made("killed")
    assert again.trainer.step == 3
    assert before + losses(again) == unbroken
    assert again.validate() == figures


def test_saving_and_measuring_on_the_way_changes_nothing(corpora: Path, tmp_path: Path) -> None:
    options = {"checkpoint_steps": 1, "validation_steps": 2, "quick_validation": 5}
    busy = tiny_run(corpora, tmp_path / "busy", 6, **options)
    assert losses(busy) == losses(tiny_run(corpora, tmp_path / "quiet", 6))
    assert [line["step"] for line in busy.journal.figures("validation")] == [2, 4]


def test_a_checkpoint_is_the_averages_where_they_are_kept(corpora: Path, tmp_path: Path) -> None:
    run = Run(tiny_recipe(corpora), tiny_training(3, ema_decay=0.99), RunOptions(), tmp_path, quiet)
    list(run.steps())
    saved = BlenderbotForConditionalGeneration.from_pretrained(run.save())
    with run.trainer.whole_model() as model:
        assert torch.equal(saved.model.shared.weight, model.model.shared.weight)
    assert not torch.equal(saved.model.shared.weight, run.trainer.placement.model.model.shared.weight)


def test_adapters_are_saved_as_a_plain_model_and_taken_up_as_adapters(
    finished_run: Path, corpora: Path, tmp_path: Path
) -> None:
    def made(name: str) -> Run:
        adapted = ModelOptions(model=str(finished_run), lora=True, lora_rank=2)
        recipe = replace(tiny_recipe(corpora), model=adapted)
        return Run(recipe, tiny_training(6), RunOptions(), tmp_path / name, quiet)

    unbroken = losses(made("whole"))
    run = made("killed")
    steps = run.steps()
    before = [next(steps).loss for _ in range(3)]
    figures, checkpoint = run.validate(), run.save()
    run.close()
    saved = BlenderbotForConditionalGeneration.from_pretrained(checkpoint)
    again = made("killed")
    assert again.validate() == figures
    assert before + losses(again) == unbroken
    with torch.no_grad():
        pieces = {"input_ids": torch.tensor([[5, 6, 2]]), "decoder_input_ids": torch.tensor([[1, 7]])}
        before_merging = BlenderbotForConditionalGeneration.from_pretrained(RunFolder(finished_run).best).eval()
        assert not torch.allclose(saved.eval()(**pieces).logits, before_merging(**pieces).logits, atol=1e-4)
        load_adapter(before_merging, checkpoint / ADAPTER)
        assert torch.allclose(saved(**pieces).logits, before_merging(**pieces).logits, atol=1e-5)


def test_texts_are_read_and_cut_into_tokens_once(corpora: Path, tmp_path: Path) -> None:
    said: list[str] = []
    for _ in range(2):
        Run(tiny_recipe(corpora), tiny_training(2), RunOptions(), tmp_path, said.append).close()
    assert [line.split(",")[0] for line in said] == ["16 dialogues gave 40 examples"]


def test_texts_that_were_read_half_way_are_read_again(corpora: Path, tmp_path: Path) -> None:
    recipe, path = tiny_recipe(corpora), tmp_path / "run"
    run = Run(recipe, tiny_training(2), RunOptions(), path, quiet)
    run.close()
    (path / "data").rename(path / ".data.99")  # as a kill leaves it
    (path / ".data.99" / "train" / "columns.json").unlink()
    again = Run(recipe, tiny_training(2), RunOptions(), path, quiet)
    assert len(losses(again)) == 2
    assert sorted(each.name for each in path.iterdir()) == [
        "data",
        "lock",
        "metrics.jsonl",
        "recipe.json",
        "stages.json",
    ]


def test_a_loss_falls_and_so_does_perplexity(corpora: Path, tmp_path: Path) -> None:
    run = tiny_run(corpora, tmp_path, steps=40)
    before = run.validate()["perplexity"]
    fell = losses(run)
    assert sum(fell[-5:]) < 0.8 * sum(fell[:5])
    assert run.validate()["perplexity"] < 0.6 * before
    assert [figure["step"] for figure in run.journal.figures("validation")] == [0, 40]


def test_the_best_checkpoint_is_kept_besides_the_newest(corpora: Path, tmp_path: Path) -> None:
    run = tiny_run(corpora, tmp_path, 6, validation_steps=1, checkpoint_steps=1, keep=1)
    measured_as(run, {1: 9.0, 2: 5.0, 3: 7.0, 4: 6.0, 5: 8.0, 6: 5.5})
    list(run.steps())
    best = run.finish()
    assert best.name == "step-00000002"
    assert [path.name for path in run.folder.checkpoints()] == ["step-00000002", "step-00000006"]
    assert run.folder.best_figure == {"step": 2, "metric": "perplexity", "value": 5.0}


def test_another_metric_may_be_the_better_the_higher(corpora: Path, tmp_path: Path) -> None:
    run = tiny_run(corpora, tmp_path, 3, validation_steps=1)
    run.options = replace(run.options, metric="rougeL")
    figures = iter([0.2, 0.4, 0.3])
    run.measure = lambda examples: {"rougeL": next(figures), "examples": 500}
    list(run.steps())
    assert run.folder.best is not None
    assert run.folder.best.name == "step-00000002"


def test_a_metric_that_is_not_measured_is_refused_before_the_first_step(corpora: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"must be one that chat measures \(perplexity\), but is 'bleu'"):
        tiny_run(corpora, tmp_path, 3, metric="bleu")
    assert tiny_run(corpora, tmp_path, 3, metric="perplexity").metric == "perplexity"


def test_a_run_ends_when_patience_has_run_out_and_stays_ended(corpora: Path, tmp_path: Path) -> None:
    said: list[str] = []

    def made(patience: int) -> Run:
        options = RunOptions(validation_steps=1, checkpoint_steps=1, patience=patience)
        return Run(tiny_recipe(corpora), tiny_training(9), options, tmp_path, said.append)

    run = made(2)
    measured_as(run, {1: 9.0, 2: 5.0, 3: 7.0, 4: 6.0})
    assert len(losses(run)) == 4
    assert run.is_impatient
    why = "2 validations in a row no better than the best (perplexity 5 after step 2)"
    assert said[-1] == f"Ended after step 4 of 9: {why}."
    assert [(line["step"], line["why"]) for line in run.journal.figures(ENDED)] == [(4, why)]
    run.save()
    run.close()
    again = made(2)
    assert again.is_impatient
    assert losses(again) == []
    assert said[-1] == f"This run has ended: {why}. A higher `patience`, or none, lets it go on."
    again.close()
    more = made(3)
    measured_as(more, {5: 6.5})
    assert len(losses(more)) == 1
    assert [line["step"] for line in more.journal.figures(ENDED)] == [4, 5]


def test_validations_that_a_kill_undid_do_not_count_against_patience(corpora: Path, tmp_path: Path) -> None:
    run = tiny_run(corpora, tmp_path, 9, validation_steps=1, patience=2)
    measured_as(run, {1: 5.0, 2: 6.0, 3: 7.0})
    assert len(losses(run)) == 3
    run.close()  # saved as the best after step 1, and killed before any other checkpoint
    again = tiny_run(corpora, tmp_path, 9, validation_steps=1, patience=2)
    assert (again.trainer.step, again.is_impatient) == (1, False)


def test_whoever_watches_can_stop_a_run(corpora: Path, tmp_path: Path) -> None:
    run = tiny_run(corpora, tmp_path, 9)
    assert len(list(run.steps(stopped=lambda: run.trainer.step >= 2))) == 2


def test_two_processes_cannot_train_in_one_folder(corpora: Path, tmp_path: Path) -> None:
    run = tiny_run(corpora, tmp_path, 2)
    with pytest.raises(OptionError, match=r"must not be trained in twice at once, but process \d+ does"):
        tiny_run(corpora, tmp_path, 2)
    run.close()
    tiny_run(corpora, tmp_path, 2)


def test_a_run_that_could_not_begin_holds_no_lock(corpora: Path, tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(OptionError, match="but is 'poems'"):
            Run(tiny_recipe(corpora, validation="poems"), tiny_training(1), RunOptions(), tmp_path, quiet)


def test_a_full_disk_is_told_and_leaves_no_half_checkpoint(
    corpora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(*_: object) -> None:
        raise RuntimeError("basic_ios::clear: iostream error")

    run = tiny_run(corpora, tmp_path / "run", steps=2)
    monkeypatch.setattr(torch, "save", fill)
    with pytest.raises(CheckpointError, match=r"could not be saved to: basic_ios.* Make room"):
        run.save()
    assert list((tmp_path / "run" / "checkpoints").iterdir()) == []
    run.close()


def test_another_recipe_in_the_same_folder_is_refused(finished_run: Path, corpora: Path) -> None:
    recipe = tiny_recipe(corpora)
    other = replace(recipe, data=replace(recipe.data, batch_tokens=99))
    with pytest.raises(OptionError, match=r"(?s)recipe it was started with.*`batch_tokens` is 99 here, but 120 there"):
        Run(other, tiny_training(6), RunOptions(), finished_run, quiet)


def test_a_start_that_failed_gives_way_to_the_right_one(corpora: Path, tmp_path: Path) -> None:
    said: list[str] = []

    def made(validation: str | None, **rates: float) -> Run:
        recipe = tiny_recipe(corpora, validation=validation)
        return Run(recipe, tiny_training(2, **rates), RunOptions(), tmp_path, said.append)

    made("people").close()
    diverged = made("talks", learning_rate=1e30)
    diverged.journal.log("step", {"step": 1})
    diverged.close()
    assert said[1].endswith("Its examples are made anew.")
    run = made("talks")
    assert said[-1].endswith("`learning_rate` 1e+30 by 0.005. Its examples stay.")
    assert len(losses(run)) == 2
    run.close()
    assert [line["step"] for line in run.journal.figures("step")] == [1, 2]
    # Told again, for the card.
    assert [line["records"] for line in run.journal.figures("data")] == [{"people": 8, "talks": 8}]


def test_a_run_from_another_knows_where_it_came_from(finished_run: Path, corpora: Path, tmp_path: Path) -> None:
    further = replace(tiny_recipe(corpora), model=ModelOptions(model=str(finished_run)))
    run = Run(further, tiny_training(2), RunOptions(), tmp_path / "second", quiet)
    [stage] = read_stages(run.folder.path)
    assert (stage.name, stage.kind, stage.step) == (finished_run.name, "chat", 6)
    list(run.steps())
    run.finish()
    third = replace(further, model=ModelOptions(model=str(run.folder.checkpoints()[-1])))
    last = Run(third, tiny_training(1), RunOptions(), tmp_path / "third", quiet)
    assert [(stage.name, stage.step) for stage in read_stages(last.folder.path)] == [
        (finished_run.name, 6),
        ("second", 2),
    ]


def test_passes_over_the_data_become_steps_once(corpora: Path, tmp_path: Path) -> None:
    said: list[str] = []

    def made(epochs: float) -> Run:
        return Run(tiny_recipe(corpora), tiny_training(None), RunOptions(epochs=epochs), tmp_path, said.append)

    run = made(0.5)
    steps = run.trainer.steps
    assert steps > 1
    assert json.loads((tmp_path / "recipe.json").read_text())["steps"] == steps
    run.save()
    run.close()
    assert made(7).trainer.steps == steps
    assert f"This run was started for {steps} steps; minutes and epochs do not change that." in said


@pytest.mark.parametrize("options", [{}, {"minutes": 1.0}])
def test_exactly_one_length_is_asked_for(corpora: Path, tmp_path: Path, options: dict[str, float]) -> None:
    with pytest.raises(OptionError, match="Exactly one of `steps`, `epochs` and `minutes`"):
        Run(tiny_recipe(corpora), tiny_training(3 if options else None), RunOptions(**options), tmp_path, quiet)  # type: ignore[arg-type]


# ---- two processes ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def together(corpora: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the run of two processes and what each saw."""
    folder = tmp_path_factory.mktemp("together")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    ran = subprocess.run(
        [*launcher, "-m", "tests.training.run_together", str(corpora), str(folder)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    return folder


def test_two_processes_take_the_steps_of_one(together: Path, corpora: Path, tmp_path: Path) -> None:
    # What is dropped depends on the part of a batch: one process cuts it into as many parts as two do.
    alone = Run(tiny_recipe(corpora), tiny_training(STEPS, accumulation=2), RunOptions(), tmp_path, quiet)
    wanted = losses(alone)
    one, other = (json.loads((together / f"{rank}.json").read_text()) for rank in (0, 1))
    assert one["losses"] == other["losses"]
    first, second = one["losses"]
    assert (len(first), len(second)) == (STOPPED, STEPS - STOPPED)  # one of both was asked to stop, and both did
    assert first + second == pytest.approx(wanted, rel=1e-5)
    assert one["perplexity"] == other["perplexity"] == pytest.approx(alone.validate()["perplexity"], rel=1e-4)


def test_of_two_processes_one_writes_and_speaks(together: Path) -> None:
    one, other = (json.loads((together / f"{rank}.json").read_text()) for rank in (0, 1))
    assert other["told"] == []
    assert any(line.startswith("16 dialogues gave 40 examples") for line in one["told"])
    assert f"Going on after step {STOPPED} of {STEPS}." in one["told"]
    journal = Journal(together / "run")
    assert [line["step"] for line in journal.figures("step")] == list(range(1, STEPS + 1))
    assert [line["processes"] for line in journal.figures("start")] == [2, 2]
    assert one["last"] == other["last"] == f"step-{STEPS:08d}"
