import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bartleby.backends.pytorch.models import BlenderbotForConditionalGeneration
from bartleby.training.averages import Averages
from bartleby.training.batches import Batch
from bartleby.training.devices import accelerator_for
from bartleby.training.journal import Journal
from bartleby.training.objectives import Objective
from bartleby.training.placement import Placement
from bartleby.training.runs import RunFolder
from tests.training.processes import launch
from tests.training.several_processes import (
    DRAWING,
    DROPS,
    MUON,
    OPTIONS,
    SPLIT,
    begin_run,
    main,
    second_half,
    whole_run,
    writing_run,
)
from tests.training.tiny import write_corpora

ROOT = Path(__file__).resolve().parents[2]


class Sum(Objective):
    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Linear(2, 2)  # type: ignore[assignment]

    def forward(self, part: Batch, whole: Batch) -> dict[str, Tensor]:
        return {"sum": self.model.weight.sum()}


def test_what_is_frozen_is_not_trained() -> None:
    objective = Sum()
    objective.model.bias.requires_grad_(False)
    placed = Placement(objective, accelerator_for(False), shards=False)
    assert list(placed.trained) == ["model.weight"]
    assert placed.trained["model.weight"] is objective.model.weight


def test_one_process_looks_at_the_model_that_it_trains() -> None:
    objective = Sum()
    placed = Placement(objective, accelerator_for(False), shards=False)
    averages = Averages(placed.trained, decay=0.5)
    averages.values["model.bias"].fill_(9.0)
    with placed.whole_model(averages) as model:
        assert model is objective.model
        assert (model.bias == 9).all()
    with placed.whole_model(None) as model:
        assert not torch.any(model.bias == 9)


# ---- two processes ---------------------------------------------------------------------------------------------------


def begun(folder: Path) -> Path:
    """A folder with what one process did before."""
    whole_run(OPTIONS, folder / "one.pt")
    write_corpora(folder / "corpora")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds what two processes found."""
    folder = begun(tmp_path_factory.mktemp("processes"))
    assert launch(2, main, folder) == [0, 0]
    return folder


@pytest.fixture(scope="module")
def found(folder: Path) -> dict[str, Any]:
    return torch.load(folder / "found.pt", weights_only=True)


def close(found: dict[str, Any], wanted: dict[str, Any], atol: float = 1e-5) -> None:
    """The same losses, weights and averages, but for the order of sums."""
    assert found["losses"] == pytest.approx(wanted["losses"], rel=1e-5)
    for kind in ("weights", "averages"):
        assert found[kind].keys() == wanted[kind].keys()
        # Keys' biases change no score, so their gradients are rounding errors, which AdamW makes full steps of.
        compared = [name for name in wanted[kind] if "k_proj.bias" not in name]
        for name in compared:
            torch.testing.assert_close(found[kind][name], wanted[kind][name], rtol=1e-4, atol=atol)


def test_two_processes_with_a_copy_each_take_the_steps_of_one(found: dict[str, Any]) -> None:
    close(found["copied"], whole_run(MUON), atol=1e-3)  # Muon computes in bfloat16


def test_two_processes_with_half_of_the_weights_each_take_the_steps_of_one(found: dict[str, Any]) -> None:
    close(found["divided"], whole_run(OPTIONS))


@pytest.mark.parametrize("placed", ["copied", "divided"])
def test_two_processes_take_up_what_one_began(found: dict[str, Any], placed: str) -> None:
    unbroken = whole_run(OPTIONS)
    close(found[f"{placed}, taken up"], {**unbroken, "losses": unbroken["losses"][SPLIT:]})


def test_one_process_takes_up_what_two_divided(folder: Path) -> None:
    unbroken = whole_run(OPTIONS)
    close(second_half(OPTIONS, folder / "divided.pt"), {**unbroken, "losses": unbroken["losses"][SPLIT:]})


def test_a_checkpoint_of_divided_weights_is_like_any_other(folder: Path, found: dict[str, Any]) -> None:
    loaded = BlenderbotForConditionalGeneration.from_pretrained(folder / "checkpoint")
    torch.testing.assert_close(loaded.state_dict(), found["divided"]["averages"], rtol=0, atol=0)


def test_what_is_dropped_depends_on_the_part_and_not_on_who_computes_it(found: dict[str, Any]) -> None:
    close(found["drawing"], whole_run(replace(DRAWING, accumulation=4), **DROPS))


def test_what_a_model_writes_is_counted_by_all(found: dict[str, Any]) -> None:
    assert found["writing"] == [pytest.approx(terms, rel=1e-4, abs=1e-6) for terms in writing_run()]
    assert found["writing"][-1]["unlikelihood"] > 0


def test_one_process_ends_the_run_that_two_began(folder: Path) -> None:
    ran = RunFolder(folder / "run")
    assert [path.name for path in ran.checkpoints()] == ["step-00000003", "step-00000004"]
    assert len(Journal(ran.path).figures("step")) == 5  # one of both writes
    # In as many pieces as before, for each has its own dropout.
    losses = begin_run(folder / "corpora", ran.path, accumulation=2)
    assert losses == pytest.approx(begin_run(folder / "corpora", folder / "alone", accumulation=2), rel=1e-5)
    assert len(losses) == 6


def launched(launcher: list[str], task: str, folder: Path) -> None:
    """Let a launcher start several_processes.py."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", *launcher, "-m", "tests.training.several_processes", task, str(folder)]
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.slow
def test_torchrun_starts_such_processes(tmp_path: Path, found: dict[str, Any]) -> None:
    launched(["torch.distributed.run", "--standalone", "--nproc-per-node", "2"], "all", begun(tmp_path))
    again = torch.load(tmp_path / "found.pt", weights_only=True)
    for name in ("copied", "divided"):
        assert again[name]["losses"] == pytest.approx(found[name]["losses"], rel=1e-6)


@pytest.mark.slow
def test_accelerate_starts_such_processes_and_may_ask_for_pieces(tmp_path: Path, found: dict[str, Any]) -> None:
    options = ["--use_fsdp", "--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no"]
    launched(["accelerate.commands.launch", *options, "--dynamo_backend", "no"], "told", tmp_path)
    told = torch.load(tmp_path / "told.pt", weights_only=True)
    assert told["pieces"] == len(found["divided"]["weights"])
    assert told["losses"] == pytest.approx(found["divided"]["losses"], rel=1e-6)
