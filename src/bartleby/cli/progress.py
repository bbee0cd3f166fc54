"""How far training is: a bar at a terminal, a line now and then elsewhere. All of it on stderr."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from bartleby.training.trainer import StepReport

WINDOW = 50
"""Steps over which speed and loss are averaged: batches differ in length, and so in both."""
SECONDS_BETWEEN_LINES = 30.0


def is_main_process() -> bool:
    """Of several processes that train together (torchrun, accelerate launch) one speaks for all."""
    return os.environ.get("RANK", "0") == "0"


def say(line: str) -> None:
    """One line for whoever watches, by the main process."""
    if is_main_process():
        print(line, file=sys.stderr, flush=True)


class Progress:
    """A context manager that is shown every step."""

    def __init__(self, done: int, steps: int, is_shown: bool = True) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as Bar

        console = Console(stderr=True)
        self.steps = steps
        self._recent: deque[StepReport] = deque(maxlen=WINDOW)
        self._told = time.monotonic()
        self._bar = Bar(BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), console=console)
        self._task = self._bar.add_task("…", total=steps, completed=done)
        self._is_shown, self._bar_shown = is_shown, is_shown and console.is_terminal

    def __enter__(self) -> Self:
        if self._bar_shown:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar_shown:
            self._bar.stop()

    def show(self, report: StepReport) -> None:
        """Tell of one more step."""
        if not self._is_shown:
            return
        self._recent.append(report)
        if self._bar_shown:
            self._bar.update(self._task, completed=report.step, description=self.figures())
        elif report.step == self.steps or time.monotonic() - self._told >= SECONDS_BETWEEN_LINES:
            self._told = time.monotonic()
            say(f"step {report.step} of {self.steps}: {self.figures()}")

    def figures(self) -> str:
        """Loss, speed and the time left, over the last steps."""
        recent = self._recent
        seconds = sum(step.seconds for step in recent)
        examples = sum(step.examples for step in recent)
        loss = sum(step.loss * step.examples for step in recent) / examples
        left = (self.steps - recent[-1].step) * seconds / len(recent)
        tokens = sum(step.tokens for step in recent)
        return (
            f"loss {loss:.3f}, {examples / seconds:.0f} examples/s, {tokens / seconds:,.0f} tokens/s, "
            f"{left / 60:.1f} minutes left"
        )
