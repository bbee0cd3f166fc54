"""How many steps a machine takes in a given time, found by taking a few."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import repeat
from pathlib import Path

import numpy as np

from bartleby.backends.pytorch.models import BlenderbotForConditionalGeneration
from bartleby.errors import OptionError
from bartleby.training.chat_run import ChatRunOptions, config_of
from bartleby.training.collation import Batch
from bartleby.training.objectives.likelihood import TargetLoss
from bartleby.training.runs import RunFolder
from bartleby.training.trainer import Trainer

SOURCE_TOKENS, TARGET_TOKENS = 42, 15
"""A usual example of chat."""
WARM_STEPS, TIMED_STEPS = 2, 6


def steps_in(minutes: float, options: ChatRunOptions, run: Path, say: Callable[[str], None]) -> int:
    """Steps to take in `minutes`; what a run already there was started with wins, for its schedule is fixed."""
    earlier = RunFolder(run).recipe
    if earlier is not None:
        say(f"The run in {run} was started for {earlier['steps']} steps; `--minutes` does not change that.")
        return int(earlier["steps"])
    if not 0 < minutes < 1e6:
        raise OptionError(f"`minutes` must be a number above 0, but is {minutes}.")
    seconds = seconds_a_step(options)
    steps = max(1, round(minutes * 60 / seconds))
    say(f"A step takes {seconds:.2f} s, so {minutes:g} minutes are {steps} steps.")
    return steps


def seconds_a_step(options: ChatRunOptions) -> float:
    """Mean time of a step on made-up batches of the usual shape; the model is thrown away."""
    config = config_of(options)
    rows = max(1, options.batch_tokens // (SOURCE_TOKENS + TARGET_TOKENS))
    generator = np.random.default_rng(0)
    source = generator.integers(5, config.vocab_size, (rows, SOURCE_TOKENS))
    target = generator.integers(5, config.vocab_size, (rows, TARGET_TOKENS))
    batch = Batch(
        {
            "input_ids": source,
            "attention_mask": np.ones_like(source),
            "decoder_input_ids": target,
            "labels": target,
        }
    )

    def batches(start: int) -> Iterator[Batch]:
        return repeat(batch)

    model = BlenderbotForConditionalGeneration(config)
    training = replace(options.training, steps=WARM_STEPS + TIMED_STEPS)
    trainer = Trainer(TargetLoss(model), batches, training)
    reports = list(trainer.run())
    return sum(report.seconds for report in reports[WARM_STEPS:]) / TIMED_STEPS
