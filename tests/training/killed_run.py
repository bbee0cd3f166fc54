"""A run in a process of its own, which the tests of killing let die at a moment of their choice."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from bartleby.training.cadence import RunOptions
from bartleby.training.run import Run
from tests.training.tiny import quiet, tiny_recipe, tiny_training

CHECKPOINT_STEPS = 2
OPTIONS = RunOptions(
    checkpoint_steps=CHECKPOINT_STEPS, validation_steps=3, quick_validation=8, keep=2, plot=False, tensorboard=False
)
CHANGING = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree"}
"""What Python tells of before it does it, and what leaves something else on the disk."""


def learn(data: Path, folder: Path, dies_at: int = 0) -> None:
    """Train to the end, or die just before touching the run's folder for the time number `dies_at`.

    What was touched is noted beside the folder.
    """
    touched: list[str] = []

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if event not in CHANGING or not str(arguments[0]).startswith(str(folder)):
            return
        touched.append(str(arguments[0]))
        if len(touched) == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    # Dropout is on: a run that was resumed must also draw what an unbroken one draws.
    training = tiny_training(6, ema_decay=0.9, accumulation=2)
    run = Run(tiny_recipe(data), training, OPTIONS, folder, quiet)
    for _ in run.steps():
        pass
    run.finish()
    folder.with_suffix(".touched.json").write_text(json.dumps(touched))
