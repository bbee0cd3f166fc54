"""A trainer killed at any moment leaves nothing that will not load, and goes on as if nothing had happened."""

import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from bartleby.backends.pytorch.models import BlenderbotForConditionalGeneration
from bartleby.tokenization.auto import AutoTokenizer
from bartleby.training.journal import Journal
from bartleby.training.runs import STATE, RunFolder
from tests.training.killed_run import CHECKPOINT_STEPS, learn
from tests.training.processes import start

KINDS = ("at any time", "at any touch of the disk", "while saving")
QUICK, MOMENTS = 3, 20


@dataclass(frozen=True)
class Unbroken:
    """A run that nobody killed."""

    folder: Path
    seconds: float
    touched: list[str]


@pytest.fixture(scope="module")
def unbroken(corpora: Path, tmp_path_factory: pytest.TempPathFactory) -> Unbroken:
    folder = tmp_path_factory.mktemp("unbroken") / "run"
    start(int).join()  # what is imported first is no part of a run's life
    started = time.monotonic()
    process = start(learn, corpora, folder)
    process.join()
    assert process.exitcode == 0
    touched = json.loads(folder.with_suffix(".touched.json").read_text())
    return Unbroken(folder, time.monotonic() - started, touched)


def figures(folder: Path, kind: str, name: str) -> dict[int, float]:
    """One figure by step; of a step that was taken twice, the last."""
    return {line["step"]: line[name] for line in Journal(folder).figures(kind) if line.get("sample") != 40}


def kill(kind: str, draw: float, corpora: Path, folder: Path, unbroken: Unbroken) -> None:
    """Start a run and let it die at the moment that `draw`, between 0 and 1, falls on."""
    if kind == "at any time":
        process = start(learn, corpora, folder)
        time.sleep(draw * unbroken.seconds)
        process.kill()
    else:
        wanted = "" if kind == "at any touch of the disk" else "/.step-"
        places = [number for number, path in enumerate(unbroken.touched, start=1) if wanted in path]
        process = start(learn, corpora, folder, places[int(draw * len(places))])
    process.join()


@pytest.mark.parametrize(
    "moment", [*range(QUICK), *(pytest.param(each, marks=pytest.mark.slow) for each in range(QUICK, MOMENTS))]
)
def test_a_run_killed_at_a_random_moment(moment: int, corpora: Path, tmp_path: Path, unbroken: Unbroken) -> None:
    folder, draw = tmp_path / "run", np.random.default_rng([20, moment]).random()
    kill(KINDS[moment % len(KINDS)], draw, corpora, folder, unbroken)
    run = RunFolder(folder)
    for checkpoint in run.checkpoints():
        BlenderbotForConditionalGeneration.from_pretrained(checkpoint)
        AutoTokenizer.from_pretrained(checkpoint)
        torch.load(checkpoint / STATE, weights_only=True)
    taken = max(figures(folder, "step", "loss"), default=0)
    saved = int(run.checkpoints()[-1].name.removeprefix("step-")) if run.checkpoints() else 0
    assert taken - saved <= CHECKPOINT_STEPS

    process = start(learn, corpora, folder)
    process.join()
    assert process.exitcode == 0
    assert figures(folder, "step", "loss") == figures(unbroken.folder, "step", "loss")
    assert figures(folder, "validation", "perplexity") == figures(unbroken.folder, "validation", "perplexity")
    names = [path.name for path in RunFolder(unbroken.folder).checkpoints()]
    assert [path.name for path in run.checkpoints()] == names
    for name in names:
        weights = [each / "checkpoints" / name / "model.safetensors" for each in (folder, unbroken.folder)]
        assert weights[0].read_bytes() == weights[1].read_bytes()
    assert not list(folder.rglob(".*"))  # nothing half done is left
