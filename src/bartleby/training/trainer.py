"""The training loop: steps over numbered batches. Between two steps its whole state can be taken out and put back.

It knows neither texts nor tasks: `Trainer` is given an objective (a module that says what a part of a batch adds to its
loss) and `batches_from(number)`; everything else that decides what a step does is in `TrainingOptions`. A step is one
numbered batch, however many processes and micro-batches share it, and what is drawn at random in it depends on the
seed, the step and the part alone: a run that was stopped and resumed takes the same steps as one that was not.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from bartleby.backends.pytorch.model import Model
from bartleby.errors import CheckpointError, OptionError, raise_all
from bartleby.training.averages import Averages
from bartleby.training.batches import Batch
from bartleby.training.devices import (
    Precision,
    accelerator_for,
    denormals_flushed,
    random_numbers_of,
    shards_asked_of_accelerate,
)
from bartleby.training.objectives import Objective
from bartleby.training.optimizers import build_optimizers
from bartleby.training.placement import Placement
from bartleby.training.refusals import refuse, skips_layers
from bartleby.training.settings import TrainingOptions
from bartleby.training.sharding import divided_as, divided_state, whole, whole_state


@dataclass(frozen=True)
class StepReport:
    """What came of one step; `loss` is the whole batch's, the sum of `terms`."""

    step: int
    loss: float
    learning_rate: float
    gradient_norm: float
    examples: int
    tokens: int
    seconds: float
    terms: Mapping[str, float] = field(default_factory=dict)
    skipped: bool = False
    """The weights stayed: float16 overflowed, and the loss is scaled less from now on."""


class Trainer:
    """Takes the steps of one run, alone or as one of several processes that all do the same.

    Raises: OptionError for what cannot be trained, or not in this way.
    """

    def __init__(
        self, objective: Objective, batches_from: Callable[[int], Iterator[Batch]], options: TrainingOptions
    ) -> None:
        if options.steps is None:
            raise OptionError("`steps` must be given, or be made of epochs or minutes before.")
        self.options, self.batches_from, self.steps = options, batches_from, options.steps
        shards = shards_asked_of_accelerate() or options.sharding == "full"
        self.accelerator = accelerator_for(unused_parameters=skips_layers(objective))
        refuse(objective, options.optimizer, options.precision, self.accelerator.num_processes, shards)
        self.precision = Precision(options.precision, self.accelerator.device)
        if options.gradient_checkpointing:
            objective.model.gradient_checkpointing_enable()
        self.placement = Placement(objective, self.accelerator, shards)
        self.parameters = self.placement.trained
        self.optimizers = build_optimizers(self.placement.objective, options)
        self.averages = Averages(self.parameters, options.ema_decay) if options.ema_decay else None
        self._peaks = [[group["lr"] for group in optimizer.param_groups] for optimizer in self.optimizers]
        self.step = 0

    def run(self) -> Iterator[StepReport]:
        """Take the steps that are left, one each time the caller asks for the next report."""
        batches = self.batches_from(self.step)
        while self.step < self.steps:
            with denormals_flushed():
                report = self._take_step(next(batches))
            yield report

    def whole_model(self) -> AbstractContextManager[Model]:
        """The model as it is to be validated and saved: on one device, holding the averages where they are kept.

        Everyone must look at it through this, and all processes enter together; afterwards training goes on as if
        nobody had.
        """
        return self.placement.whole_model(self.averages)

    def _take_step(self, batch: Batch) -> StepReport:
        started = time.perf_counter()
        share = self.options.share_at(self.step, self.steps)
        self.placement.called.train()
        with random_numbers_of(self.accelerator.device):
            terms = self._learn_from(batch)
        loss = math.fsum(terms.values())
        self._refuse_divergence("loss", loss)
        norm, skipped = self._update(share)
        self.step += 1
        return StepReport(
            step=self.step,
            loss=loss,
            learning_rate=self.options.learning_rate * share,
            gradient_norm=norm,
            examples=batch.examples,
            tokens=batch.tokens,
            seconds=time.perf_counter() - started,
            terms=terms,
            skipped=skipped,
        )

    def _learn_from(self, batch: Batch) -> dict[str, float]:
        """Gather the gradients of a batch, this process's parts of it one by one; returns the terms of its loss."""
        processes, own = self.accelerator.num_processes, self.accelerator.process_index
        rows = -(-batch.examples // processes)  # more parts than that would be empty
        parts = processes * min(self.options.accumulation, rows)
        totals: dict[str, Tensor] = {}
        for index in range(own, parts, processes):
            torch.manual_seed(seed_of(self.options.seed, self.step, index))
            with self.placement.gradients_kept(index + processes < parts):
                terms = self._terms(batch, index, parts)
                loss = torch.stack(list(terms.values())).sum() * processes  # gradients are averaged over them
                self.precision.scaler.scale(loss).backward()
            for name, term in terms.items():
                totals[name] = totals.get(name, 0) + term.detach()
        everyones = self.accelerator.reduce(torch.stack(list(totals.values())), "sum")
        return dict(zip(totals, everyones.tolist(), strict=True))

    def _terms(self, batch: Batch, index: int, parts: int) -> dict[str, Tensor]:
        """What one part adds to the loss; one without rows adds nothing, but runs: others wait for its gradients."""
        part = batch.part(index, parts)
        with self.precision.autocast():
            if part.examples:
                return self.placement.called(part, batch)
            terms = self.placement.called(batch.part(0, batch.examples), batch)
        return {name: term * 0 for name, term in terms.items()}

    def _update(self, share: float) -> tuple[float, bool]:
        """Move the weights along the gradients; returns the gradients' length, and whether float16 overflowed."""
        scaler = self.precision.scaler
        for optimizer in self.optimizers:
            scaler.unscale_(optimizer)
        length = whole(clip_grad_norm_(self.parameters.values(), self.options.clip_norm or math.inf))
        if not scaler.is_enabled():
            self._refuse_divergence("gradient", float(length))
        for optimizer, peaks in zip(self.optimizers, self._peaks, strict=True):
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["lr"] = peak * share
            scaler.step(optimizer)
            optimizer.zero_grad()
        scale = scaler.get_scale()
        scaler.update()
        if self.averages is not None:
            self.averages.update()
        return float(length), scaler.get_scale() < scale

    def _refuse_divergence(self, name: str, value: float) -> None:
        """Stop before the weights are spoilt.

        Raises: OptionError.
        """
        if not math.isfinite(value):
            raise OptionError(
                f"The {name} became {value} at step {self.step + 1}. Lower the learning rate, or raise `warmup_steps`; "
                "the checkpoints written so far are sound."
            )

    def state(self) -> dict[str, Any]:
        """Everything that the steps have changed, in one piece and on the CPU; all processes ask together.

        It holds the tensors themselves where it can: write it before the next step. Random numbers are not in it, for
        each step draws its own.
        """
        averages = self.averages
        return {
            "step": self.step,
            "parameters": {name: whole(value.detach()).cpu() for name, value in self.parameters.items()},
            "averages": {}
            if averages is None
            else {name: whole(value).cpu() for name, value in averages.values.items()},
            "averages_updates": 0 if averages is None else averages.updates,
            "buffers": {name: buffer.cpu() for name, buffer in own_buffers(self.placement.objective).items()},
            "optimizers": [whole_state(optimizer.state_dict()) for optimizer in self.optimizers],
            "scaler": self.precision.scaler.state_dict(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken, by however many processes.

        Raises: CheckpointError if it is of another model.
        """
        refuse_other_parameters(self.parameters, state["parameters"])
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(divided_as(state["parameters"][name], parameter))
                if self.averages is not None:
                    self.averages.values[name].copy_(divided_as(state["averages"][name], parameter))
        if self.averages is not None:
            self.averages.updates = state["averages_updates"]
        for name, buffer in own_buffers(self.placement.objective).items():
            buffer.copy_(state["buffers"][name])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(divided_state(saved, optimizer))
        self.precision.scaler.load_state_dict(state["scaler"])
        self.step = state["step"]


def seed_of(seed: int, step: int, part: int) -> int:
    """What a part of a step draws from; mixed well, so that neighbours have nothing in common."""
    return int(np.random.SeedSequence([seed, step, part]).generate_state(1, np.uint64)[0])


def own_buffers(objective: Objective) -> dict[str, Tensor]:
    """What an objective counts while it teaches, by name: it decides about later steps. A model's buffers stay."""
    weights = {name for name, _ in objective.named_parameters(remove_duplicate=False)}
    return {
        name: value
        for name, value in objective.state_dict().items()
        if name not in weights and not name.startswith("model.")
    }


def refuse_other_parameters(own: Mapping[str, Tensor], saved: Mapping[str, Tensor]) -> None:
    """Raises: CheckpointError naming every parameter that only one of both trains, or in another shape."""
    faults = [f"`{name}` is trained in only one of both." for name in sorted(own.keys() ^ saved.keys())]
    faults += [
        f"`{name}` has shape {tuple(saved[name].shape)} there, but {tuple(own[name].shape)} here."
        for name in sorted(own.keys() & saved.keys())
        if own[name].shape != saved[name].shape
    ]
    raise_all(CheckpointError, faults, "The saved state is of another model")
