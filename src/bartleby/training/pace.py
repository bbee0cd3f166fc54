"""How many steps a run takes, where it was told in minutes or in passes over the data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bartleby.errors import OptionError
from bartleby.training.cadence import RunOptions
from bartleby.training.recipes.recipe import Recipe, Tell
from bartleby.training.settings import TrainingOptions
from bartleby.training.trainer import Trainer

WARM_STEPS, TIMED_STEPS = 2, 6


def refuse_length(training: TrainingOptions, options: RunOptions) -> None:
    """Raises: OptionError if not exactly one of steps, epochs and minutes is given."""
    lengths = {"steps": training.steps, "epochs": options.epochs, "minutes": options.minutes}
    given = [name for name, value in lengths.items() if value is not None]
    if len(given) != 1:
        told = " and ".join(given) if given else "none"
        raise OptionError(f"Exactly one of `steps`, `epochs` and `minutes` must be given, but {told} was.")


def steps_of(recipe: Recipe, data: Path, training: TrainingOptions, options: RunOptions, tell: Tell) -> int:
    """Steps to take, from the examples that `recipe` left in `data`, where epochs or minutes are given."""
    if options.epochs is not None:
        batches = len(recipe.setup(data).batches.plan(0))
        steps = max(1, round(options.epochs * batches))
        tell(f"A pass is about {batches} steps, so {options.epochs:g} are {steps} steps.")
        return steps
    assert options.minutes is not None
    seconds = seconds_a_step(recipe, data, training)
    steps = max(1, round(options.minutes * 60 / seconds))
    tell(f"A step takes {seconds:.2f} s, so {options.minutes:g} minutes are {steps} steps.")
    return steps


def seconds_a_step(recipe: Recipe, data: Path, training: TrainingOptions) -> float:
    """Mean time of a step on the first batches; what is learnt meanwhile is thrown away."""
    setup = recipe.setup(data)
    trainer = Trainer(setup.objective, setup.batches.from_number, replace(training, steps=WARM_STEPS + TIMED_STEPS))
    reports = list(trainer.run())
    return sum(report.seconds for report in reports[WARM_STEPS:]) / TIMED_STEPS
