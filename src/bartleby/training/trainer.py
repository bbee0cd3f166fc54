"""The training loop: steps over numbered batches. Between two steps its whole state can be taken out and put back.

It knows neither texts nor tasks: `Trainer` is given an objective (a module that makes a loss of a batch) and
`batches_from(number)`; everything else that decides what a step does is in `TrainingOptions`. A run that was stopped
and resumed takes the same steps as one that was not. Device and precision are accelerate's.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import torch
from accelerate import Accelerator  # type: ignore[import-untyped]
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from bartleby.errors import OptionError, raise_all
from bartleby.training.optimizers import OptimizerOptions, build_optimizers


class Countable(Protocol):
    """A batch, as far as the loop looks into it."""

    @property
    def examples(self) -> int: ...
    @property
    def tokens(self) -> int: ...


@dataclass(frozen=True)
class TrainingOptions:
    """What decides about the steps, besides model and data."""

    steps: int
    optimizer: OptimizerOptions = field(default_factory=OptimizerOptions)
    precision: Literal["no", "bf16"] = "bf16"
    seed: int = 0

    def __post_init__(self) -> None:
        faults = list(self.optimizer.faults())
        if self.steps < 1:
            faults.append(f"`steps` must be at least 1, but is {self.steps}.")
        if self.seed < 0:
            faults.append(f"`seed` must be at least 0, but is {self.seed}.")
        if self.precision not in ("no", "bf16"):
            faults.append(f"`precision` must be no or bf16, but is {self.precision!r}.")
        raise_all(OptionError, faults, "The training options")


@dataclass(frozen=True)
class StepReport:
    """What came of one step; `loss` is the mean a target token."""

    step: int
    loss: float
    learning_rate: float
    gradient_norm: float
    examples: int
    tokens: int
    seconds: float


class Trainer:
    """Takes the steps of one run, in one process."""

    def __init__(
        self, objective: nn.Module, batches_from: Callable[[int], Iterator[Countable]], options: TrainingOptions
    ) -> None:
        torch.manual_seed(options.seed)
        self.options, self.batches_from = options, batches_from
        self.accelerator = accelerator_for(options.precision)
        optimizers = build_optimizers(objective, options.optimizer)
        self.objective, *self.optimizers = self.accelerator.prepare(objective, *optimizers)
        self._peaks = [[group["lr"] for group in optimizer.param_groups] for optimizer in self.optimizers]
        self.step = 0

    def run(self) -> Iterator[StepReport]:
        """Take the steps that are left, one each time the caller asks for the next report."""
        batches = self.batches_from(self.step)
        while self.step < self.options.steps:
            with denormals_flushed():
                report = self._take_step(next(batches))
            yield report

    def _take_step(self, batch: Countable) -> StepReport:
        started = time.perf_counter()
        share = self.options.optimizer.share_at(self.step, self.options.steps)
        self.objective.train()
        with self._attention():
            loss = sum(self.objective(batch, batch).values())
            self._refuse_divergence(float(loss.item()))
            self.accelerator.backward(loss)
        norm = self.accelerator.clip_grad_norm_(self.objective.parameters(), self.options.optimizer.clip_norm)
        for optimizer, peaks in zip(self.optimizers, self._peaks, strict=True):
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["lr"] = peak * share
            optimizer.step()
            optimizer.zero_grad()
        self.step += 1
        return StepReport(
            step=self.step,
            loss=float(loss.item()),
            learning_rate=self.options.optimizer.learning_rate * share,
            gradient_norm=float(norm),
            examples=batch.examples,
            tokens=batch.tokens,
            seconds=time.perf_counter() - started,
        )

    def _attention(self) -> AbstractContextManager[None]:
        """On a CPU the fused kernel's way back is slow for short sequences: a quarter of a step of the chat model."""
        return sdpa_kernel(SDPBackend.MATH) if self.accelerator.device.type == "cpu" else nullcontext()

    def _refuse_divergence(self, loss: float) -> None:
        """Stop before the weights are spoilt.

        Raises: OptionError.
        """
        if not math.isfinite(loss):
            raise OptionError(
                f"The loss became {loss} at step {self.step + 1}. Lower the learning rate, or raise `warmup_steps`; "
                "the checkpoints written so far are sound."
            )

    def state(self) -> dict[str, Any]:
        """Everything besides the weights that the next step depends on."""
        return {
            "step": self.step,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "random": torch.get_rng_state(),
            "device_random": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken."""
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        torch.set_rng_state(state["random"])
        if state.get("device_random") and torch.cuda.is_available():
            torch.cuda.set_rng_state_all(state["device_random"])
        self.step = state["step"]


def accelerator_for(precision: str) -> Accelerator:
    """Device and precision of one run in one process.

    Raises: OptionError where several processes were started, for each would learn from the same batches; and where this
        process has trained in another precision, because accelerate keeps the first for good.
    """
    try:
        accelerator = Accelerator(mixed_precision=precision)
    except ValueError as fault:
        raise OptionError(f"`precision` cannot be {precision!r} in this process: {fault}") from None
    if accelerator.num_processes > 1:
        raise OptionError(f"Training runs in one process, but {accelerator.num_processes} were started. Start one.")
    return accelerator


@contextmanager
def denormals_flushed() -> Iterator[None]:
    """The averages of rare tokens fade into numbers that a CPU is slow with: zeros do, while a step is taken."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)  # it would last for the process, and others' numbers are none of our business
