"""What two processes do in the tests of placement; FOLDER holds what one did: … several_processes.py all FOLDER."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.distributed.tensor import DTensor

from bartleby.backends.pytorch.models import BlenderbotForConditionalGeneration
from bartleby.family.config import BlenderbotConfig
from bartleby.training.batches import Batch
from bartleby.training.cadence import RunOptions
from bartleby.training.objectives.likelihood import TargetLoss
from bartleby.training.objectives.repeats import Overuse
from bartleby.training.objectives.unlikelihood import VocabularyUnlikelihood
from bartleby.training.objectives.writing import Writer
from bartleby.training.run import Run
from bartleby.training.settings import TrainingOptions
from bartleby.training.trainer import Trainer
from tests.training.tiny import quiet, tiny_recipe, tiny_training

SIZES = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 2, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24}
HEADS = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
OPTIONS = TrainingOptions(
    steps=5, optimizer="adamw", learning_rate=1e-2, warmup_steps=2, precision="no", ema_decay=0.9, clip_norm=0.5
)
SPLIT = 2
"""Steps before a run is taken up by others."""

SHARDED = replace(OPTIONS, sharding="full")
MUON = replace(OPTIONS, optimizer="muon", matrix_rate=1e-2)
# With two processes, three rows in four parts: one of them is empty. What is dropped depends on the part alone.
DRAWING = replace(OPTIONS, accumulation=2)
DROPS = {"dropout": 0.2, "decoder_layerdrop": 0.5}


def batches(start: int) -> Iterator[Batch]:
    """Three rows each, as long as they come."""
    for number in count(start):
        generator = np.random.default_rng(number)
        ids, labels = generator.integers(4, 30, (3, 6)), generator.integers(4, 30, (3, 5))
        labels[0, 2:] = -100
        mask = np.ones_like(ids)
        mask[1, 4:] = 0
        yield Batch({"input_ids": ids, "attention_mask": mask, "decoder_input_ids": labels.clip(0), "labels": labels})


def model(**changes: float) -> BlenderbotForConditionalGeneration:
    """A tiny one."""
    torch.manual_seed(0)
    config = BlenderbotConfig(vocab_size=30, **SIZES, **HEADS, **{"dropout": 0.0, **changes})
    return BlenderbotForConditionalGeneration(config)


def trainer(options: TrainingOptions, **changes: float) -> Trainer:
    """A tiny model about to be trained."""
    return Trainer(TargetLoss(model(**changes)), batches, options)


def writing_run() -> list[dict[str, float]]:
    """The terms of the loss where the model writes, and what all have written is counted."""
    taught = model()
    objective = VocabularyUnlikelihood(taught, Writer(taught, tokens=6), np.ones(30, np.int64), Overuse(), patience=1)
    return [dict(report.terms) for report in Trainer(objective, batches, OPTIONS).run()]


def whole_run(options: TrainingOptions, state: Path | None = None, **changes: float) -> dict[str, Any]:
    """Losses, and the weights at the end; `state` is written half way."""
    training = trainer(options, **changes)
    losses = []
    for report in training.run():
        losses.append(report.loss)
        if state is not None and report.step == SPLIT:
            _save(training, training.state(), state)
    return result(training, losses)


def second_half(options: TrainingOptions, state: Path) -> dict[str, Any]:
    """The same of a run taken up where `state` was written."""
    training = trainer(options)
    training.restore(torch.load(state, weights_only=True))
    return result(training, [report.loss for report in training.run()])


def result(training: Trainer, losses: list[float]) -> dict[str, Any]:
    """What is compared: losses, trained weights and their averages."""
    with training.whole_model() as model:
        averages = {name: value.clone() for name, value in model.state_dict().items()}
    return {"losses": losses, "weights": training.state()["parameters"], "averages": averages}


def begin_run(data: Path, folder: Path, stop: int | None = None, **places: Any) -> dict[int, float]:
    """A run with a folder, taken up or begun, until the step `stop`; returns the losses of all its steps."""
    training = tiny_training(6, optimizer="adamw", ema_decay=0.9, **places)
    options = RunOptions(checkpoint_steps=2, validation_steps=3, quick_validation=8, plot=False)
    run = Run(tiny_recipe(data), training, options, folder, quiet)
    for _ in run.steps(stopped=lambda: run.trainer.step == stop):
        pass
    if run.trainer.step == stop:
        run.close()
    else:
        run.finish()
    return {line["step"]: line["loss"] for line in run.journal.figures("step")}


def _save(training: Trainer, value: Any, path: Path) -> None:
    if training.accelerator.is_main_process:
        torch.save(value, path)


def main(folder: Path) -> None:
    """Do with two processes what the tests did with one."""
    found = {
        "copied": whole_run(MUON),
        "copied, taken up": second_half(OPTIONS, folder / "one.pt"),
        "divided": whole_run(SHARDED, folder / "divided.pt"),
        "divided, taken up": second_half(SHARDED, folder / "one.pt"),
        "drawing": whole_run(DRAWING, **DROPS),
        "writing": writing_run(),
    }
    begin_run(folder / "corpora", folder / "run", stop=5, sharding="full")
    last = trainer(SHARDED)
    list(last.run())
    with last.whole_model() as model:
        model.save_pretrained(folder / "checkpoint", is_main_process=last.accelerator.is_main_process)
    _save(last, found, folder / "found.pt")
    last.accelerator.end_training()


def main_as_told(folder: Path) -> None:
    """Train the way the launcher says."""
    training = trainer(OPTIONS)
    losses = [report.loss for report in training.run()]
    pieces = sum(isinstance(value, DTensor) for value in training.parameters.values())
    _save(training, {"losses": losses, "pieces": pieces}, folder / "told.pt")
    training.accelerator.end_training()


if __name__ == "__main__":
    {"all": main, "told": main_as_told}[sys.argv[1]](Path(sys.argv[2]))
