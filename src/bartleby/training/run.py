"""One training run: a recipe, a folder, a trainer, and what happens between the steps: saving, measuring, ending."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import broadcast_object_list  # type: ignore[import-untyped]

from bartleby.errors import CheckpointError, MissingExtraError, OptionError
from bartleby.measure.metrics import METRICS, metric_of
from bartleby.training.adapter_files import save_adapter
from bartleby.training.cadence import Every, RunOptions
from bartleby.training.devices import processes_together
from bartleby.training.journal import ENDED, Journal
from bartleby.training.lora import has_adapters, merged
from bartleby.training.pace import refuse_length, steps_of
from bartleby.training.recipes.recipe import Recipe, Tell
from bartleby.training.runs import STAGES, STATE, STEPS, RunFolder
from bartleby.training.settings import PLACES, TrainingOptions
from bartleby.training.stages import stages_before, write_stages
from bartleby.training.trainer import StepReport, Trainer

ADAPTER = "adapter"
"""Folder in a checkpoint for the adapters alone, if there are any."""


def never() -> bool:
    """Nobody asks to stop."""
    return False


def nobody(line: str) -> None:
    """Tell no one."""


class Run:
    """A run and its folder; made anew, or taken up where its newest checkpoint stands.

    Of several processes that were started together all make the same Run; only the main one writes and tells.
    Raises: OptionError if the folder holds checkpoints of another recipe, or another process trains in it;
        DataError for corpora that cannot be learnt from; CheckpointError for a checkpoint that cannot be taken up.
    """

    def __init__(
        self, recipe: Recipe, training: TrainingOptions, options: RunOptions, path: Path, tell: Tell = nobody
    ) -> None:
        refuse_length(training, options)
        self.recipe, self.options = recipe, options
        self.processes = processes_together()
        self.is_main: bool = self.processes.is_main_process
        self.tell = tell if self.is_main else nobody
        self.folder, self.journal = RunFolder(path), Journal(path, writes=self.is_main)
        self.lock = self.folder.lock() if self.is_main else None
        try:
            self._begin(training)
        except BaseException:
            self.close()
            raise

    def _begin(self, training: TrainingOptions) -> None:
        with self.processes.main_process_first():  # the others find done what the main one did
            self._settle(training)
        training = replace(training, steps=self._steps(training))
        setup = self.recipe.setup(self.data)
        self.tokenizer, self.measure = setup.tokenizer, setup.measure
        self.trainer = Trainer(setup.objective, setup.batches.from_number, training)
        state = self.folder.newest_state()
        if state is not None:
            self.trainer.restore(state)
            self.tell(f"Going on after step {self.trainer.step} of {training.steps}.")
        elif self.options.metric is not None:
            self._refuse_unmeasured(self._figures(1))  # now, not after the first minutes
        self._saved = None if state is None else self.trainer.step
        self._since_best = self._validations_since_best()
        self._note_start()

    def _settle(self, training: TrainingOptions) -> None:
        """Recipe, stages and examples, each made only if it is not there yet."""
        asked = {name: value for name, value in training.document().items() if name not in PLACES}
        recipe = self.recipe.document()
        self.folder.settle({**recipe, **asked}, {*recipe, "seed"}, self.tell)
        if self.is_main and not (self.folder.path / STAGES).exists():
            write_stages(self.folder.path, stages_before(self.recipe.model.model))
        self.data, figures = self.folder.prepared(lambda folder: self.recipe.prepare(folder, self.tell))
        if figures is None and not self.folder.checkpoints() and not self.journal.figures("data"):
            figures = self.folder.figures  # made for an earlier recipe, whose log is gone
        if figures is not None:
            self.journal.log("data", figures)

    def _steps(self, training: TrainingOptions) -> int:
        """How many steps the run takes, found out once and then kept."""
        settled = (self.folder.recipe or {}).get(STEPS)
        if settled is not None:
            if self.options.minutes is not None or self.options.epochs is not None:
                self.tell(f"This run was started for {settled} steps; minutes and epochs do not change that.")
            return int(settled)
        self.processes.wait_for_everyone()  # else one might find settled what another has just found out
        steps = steps_of(self.recipe, self.data, training, self.options, self.tell)
        steps = self._main_says(steps)
        if self.is_main:
            self.folder.settle_steps(steps)
        self.processes.wait_for_everyone()
        return steps

    def _note_start(self) -> None:
        device = self.trainer.accelerator.device.type
        self.journal.log(
            "start",
            {
                "step": self.trainer.step,
                "device": device,
                "name": torch.cuda.get_device_name() if device == "cuda" else device,
                "threads": torch.get_num_threads(),
                "cores": os.cpu_count(),
                "processes": self.processes.num_processes,
            },
        )
        if self.options.tensorboard:
            self.journal.open_board(self.trainer.step)

    # ---- the steps ---------------------------------------------------------------------------------------------------

    def steps(self, stopped: Callable[[], bool] = never) -> Iterator[StepReport]:
        """Take the steps that are left, saving and measuring in between; each is logged.

        Ends sooner when `stopped()`, which is asked after every step, or when patience has run out. What comes after
        the last step, `finish` or `save`, is the caller's.
        """
        checkpoint = Every(self.options.checkpoint_minutes, self.options.checkpoint_steps)
        validation = Every(self.options.validation_minutes, self.options.validation_steps)
        reports = self.trainer.run()
        if self.is_impatient:
            self.tell(f"This run has ended: {self._lost_patience()}. A higher `patience`, or none, lets it go on.")
        while not self.is_impatient:
            report = next(reports, None)
            if report is None:
                return
            self.journal.log("step", asdict(report))
            yield report
            due = [stopped(), checkpoint.is_due(report.step), validation.is_due(report.step)]
            is_stopped, saves, measures = self._agreed(due)
            if is_stopped:
                return
            if report.step == self.trainer.steps:
                continue  # `finish` does both
            if measures:
                self.validate(self.options.quick_validation)
            if saves:
                self.save()
            if self.is_impatient:
                self.tell(f"Ended after step {report.step} of {self.trainer.steps}: {self._lost_patience()}.")
                self.journal.log(ENDED, {"step": report.step, "why": self._lost_patience()})

    def _lost_patience(self) -> str:
        """Why the run ends before its last step."""
        best, count = self._best(), len(self._since_best)
        told = "" if best is None else f" ({best['metric']} {best['value']:.4g} after step {best['step']})"
        return f"{count} {'validation' if count == 1 else 'validations'} in a row no better than the best{told}"

    @property
    def is_impatient(self) -> bool:
        """Whether the last validations, as many as the options are patient for, were no better than the best."""
        return self.options.patience is not None and len(self._since_best) >= self.options.patience

    def finish(self) -> Path:
        """Save, measure on everything and draw the loss; returns the best checkpoint."""
        last = self.save()
        quick = self.validate(self.options.quick_validation)
        if quick.get("examples") == self.options.quick_validation:
            self.validate()
        if self.options.plot:
            self._draw()
        self.close()
        return self.folder.best or last

    def _draw(self) -> None:
        """Draw the loss, which is nothing to fail for after all that was learnt."""
        try:
            self.journal.draw(self.metric)
        except MissingExtraError as fault:
            self.tell(str(fault))

    def save(self) -> Path:
        """Write a checkpoint now, all processes together; returns its folder."""
        step = self.trainer.step
        if self._saved == step:  # nothing was learnt since
            return self.folder.checkpoint(step)
        state = self.trainer.state()
        if self.is_main:
            self.folder.save(step, lambda folder: self._write(folder, state), self.options.keep)
        else:
            with self.trainer.whole_model():  # whose pieces all processes put together
                pass
        self._saved = step
        self.processes.wait_for_everyone()
        return self.folder.checkpoint(step)

    def _write(self, folder: Path, state: Mapping[str, Any]) -> None:
        try:
            torch.save(dict(state), folder / STATE)  # first: it holds the weights themselves, not the averages
        except (OSError, RuntimeError) as fault:  # PyTorch tells of a full disk in its own way
            raise CheckpointError(
                f"{self.folder.path} could not be saved to: {fault}. Make room and give the same command again; "
                "the checkpoints before it are sound."
            ) from fault
        with self.trainer.whole_model() as model:
            if has_adapters(model):
                save_adapter(model, folder / ADAPTER)
            with merged(model):  # a plain model, which anyone can load
                model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    def validate(self, examples: int | None = None) -> dict[str, float]:
        """Figures on the first `examples` validation examples, or on all; all processes measure the same.

        Those on as many as the options say for the way decide which checkpoint is the best, which is saved.
        """
        figures = self._figures(examples)
        self.journal.log("validation", {"step": self.trainer.step, "sample": examples, **figures})
        told = ", ".join(f"{name} {value:.4g}" for name, value in figures.items() if name not in COUNTS)
        self.tell(f"Validation after step {self.trainer.step}: {told} on {figures.get('examples', 0):,.0f} examples.")
        if examples == self.options.quick_validation:
            self._refuse_unmeasured(figures)
            self._compare(self._main_says(figures[self.metric]))
        return figures

    def _figures(self, examples: int | None) -> dict[str, float]:
        with self.trainer.whole_model(), self.trainer.precision.autocast(), torch.no_grad():
            return self.measure(examples)

    @property
    def metric(self) -> str:
        """What the best checkpoint is best by."""
        return self.options.metric or self.recipe.metric

    def close(self) -> None:
        """Let other processes train in the folder."""
        self.journal.close()
        if self.lock is not None:
            self.lock.release()

    # ---- best --------------------------------------------------------------------------------------------------------

    def _compare(self, value: float) -> None:
        """Keep the best checkpoint, and count how long there was no better one."""
        best = self._main_says(self._best())  # who looked late would find what the main process notes below
        if best is not None and not metric_of(self.metric).is_better(value, best["value"]):
            if self.trainer.step > best["step"]:
                self._since_best.add(self.trainer.step)
            return
        self.save()  # first, so that what is noted as the best is always there
        if self.is_main:
            self.folder.note_best(self.trainer.step, self.metric, value)
            self.folder.tidy(self.options.keep)
        self.processes.wait_for_everyone()
        self._since_best = set()

    def _refuse_unmeasured(self, figures: Mapping[str, float]) -> None:
        """Raises: OptionError if what the best checkpoint is to be best by is not among the figures."""
        if self.metric not in figures:
            known = ", ".join(name for name in figures if name in METRICS)
            raise OptionError(
                f"`metric` must be one that {self.recipe.kind} measures ({known}), but is {self.metric!r}."
            )

    def _best(self) -> dict[str, Any] | None:
        best = self.folder.best_figure
        return best if best is not None and best["metric"] == self.metric and self.folder.best is not None else None

    def _validations_since_best(self) -> set[int]:
        """After which steps it was measured since the best; of those that a kill undid none."""
        best = self._best()
        lines = [line for line in self.journal.figures("validation") if self.metric in line]
        quick = {line["step"] for line in lines if line.get("sample") == self.options.quick_validation}
        return set() if best is None else {step for step in quick if best["step"] < step <= self.trainer.step}

    # ---- several processes -------------------------------------------------------------------------------------------

    def _main_says(self, value: Any) -> Any:
        """The main process's value, for everyone."""
        if self.processes.num_processes == 1:
            return value
        values = [value]
        broadcast_object_list(values)
        return values[0]

    def _agreed(self, wishes: Sequence[bool]) -> list[bool]:
        """What any process wishes, or all would not stop together, and what time it is by the main one's clock."""
        if self.processes.num_processes == 1:
            return list(wishes)
        asked = torch.tensor([wishes[0], *(wish and self.is_main for wish in wishes[1:])], dtype=torch.int64)
        summed = self.trainer.accelerator.reduce(asked.to(self.trainer.accelerator.device), "sum")
        return [bool(count) for count in summed.tolist()]


COUNTS = ("examples", "tokens")
"""What a validation says of itself besides figures."""
