"""When a run saves, measures itself and ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bartleby.measure.metrics import METRICS
from bartleby.training.options import POSITIVE, Options, option

MEASURED = tuple(name for name in METRICS if name not in ("hits_at_1", "distinct_1", "distinct_2", "repetition"))
"""What some kind of training measures on its way; the rest takes what only `bartleby evaluate` does."""


@dataclass(frozen=True, kw_only=True)
class RunOptions(Options):
    """What changes nothing about the steps: a run may be taken up with others."""

    subject = "The run's options"

    epochs: float | None = option(None, "In place of steps: passes over the data.", metavar="X", least=POSITIVE)
    minutes: float | None = option(
        None, "In place of steps: as many as take this long, as measured at the start.", metavar="M", least=POSITIVE
    )
    checkpoint_minutes: float = option(5.0, "Between two checkpoints.", metavar="M", least=POSITIVE)
    checkpoint_steps: int | None = option(None, "Between two checkpoints, in place of minutes.", metavar="N", least=1)
    keep: int = option(2, "Newest checkpoints to keep, besides the best.", metavar="N", least=1)
    validation_minutes: float = option(10.0, "Between two validations.", metavar="M", least=POSITIVE)
    validation_steps: int | None = option(None, "Between two validations, in place of minutes.", metavar="N", least=1)
    quick_validation: int = option(
        500, "Examples measured on the way; at the end it is all of them.", metavar="N", least=1
    )
    metric: str | None = option(None, "What the best checkpoint is best by.", choices=MEASURED)
    patience: int | None = option(
        None, "End after so many validations that were no better than the best.", metavar="N", least=1
    )
    tensorboard: bool = option(False, "Log for TensorBoard too, in the run's folder.")
    plot: bool = option(True, "Draw the loss as loss.png in the run's folder.")

    def contradictions(self) -> Iterator[str]:
        if self.epochs is not None and self.minutes is not None:
            yield "`epochs` and `minutes` must not both be given."


class Every:
    """Says whether it is time again: after so many steps, or else after so many minutes."""

    def __init__(self, minutes: float, steps: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds, self.steps, self._clock = minutes * 60, steps, clock
        self._last = clock()

    def is_due(self, step: int) -> bool:
        """Whether it is time, after `step`; counts by minutes begin anew when it is."""
        if self.steps is not None:
            return step % self.steps == 0
        if self._clock() - self._last < self.seconds:
            return False
        self._last = self._clock()
        return True
