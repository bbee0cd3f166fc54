"""`bartleby train KIND`: a command for each kind of training, its flags the fields of the options."""

from __future__ import annotations

import inspect
import signal
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from bartleby.cli.options import build_options, flags_of, given_options
from bartleby.cli.progress import Progress, is_main_process, say
from bartleby.errors import need_extra
from bartleby.training.cadence import RunOptions
from bartleby.training.options import Options, option
from bartleby.training.recipes import RECIPES
from bartleby.training.recipes.recipe import DataOptions, ModelOptions, Recipe
from bartleby.training.settings import TrainingOptions

if TYPE_CHECKING:
    from bartleby.training.run import Run

app = typer.Typer()
"""Mounted by `train.py` when it is asked for: importing the options takes a moment."""

RESUMING = (
    "Prints where the model is. A run that was stopped, in whatever way, goes on from its last checkpoint when the "
    "same command is given again."
)


@dataclass(frozen=True)
class PlaceOptions(Options):
    """Where a run leaves what it makes."""

    subject: ClassVar[str] = "The command's options"

    run_dir: Path | None = option(None, "Where the run lives; else in the user's cache, by its kind.", metavar="FOLDER")
    export: Path | None = option(None, "When done, as `bartleby train export` to here.", metavar="FOLDER")
    force: bool = option(False, "Let that replace a checkpoint that is there.")

    def contradictions(self) -> Iterator[str]:
        if self.force and self.export is None:
            yield "`force` must be left out where nothing is exported. Give `export`, too."


OWN_FLAGS = (
    inspect.Parameter(
        "config",
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[
            Path | None,
            typer.Option(
                metavar="FILE",
                help="YAML with these options by name, such as `learning_rate: 0.001`; flags override it.",
                rich_help_panel=PlaceOptions.subject,
            ),
        ],
    ),
    inspect.Parameter(
        "dry_run",
        inspect.Parameter.KEYWORD_ONLY,
        default=False,
        annotation=Annotated[
            bool,
            typer.Option(
                "--dry-run",
                help="Tell what would be done, with a first batch and the memory it takes; nothing stays.",
                rich_help_panel=PlaceOptions.subject,
            ),
        ],
    ),
)


def command_of(recipe: type[Recipe]) -> Callable[..., None]:
    """The command that trains with a recipe; its flags are the fields of the options."""
    classes = (recipe.own, DataOptions, ModelOptions, TrainingOptions, RunOptions, PlaceOptions)

    def command(config: Path | None, dry_run: bool, **flags: Any) -> None:
        need_extra("train", "Training")
        own, data, model, training, run, place = build_options(classes, given_options(classes, flags, config))
        train(recipe(own, model, data, training.seed), training, run, place, dry_run)

    command.__signature__ = inspect.Signature([*flags_of(classes), *OWN_FLAGS])  # type: ignore[attr-defined]
    return command


for _kind, _recipe in RECIPES.items():
    app.command(_kind, help=f"{inspect.getdoc(_recipe)}\n\n{RESUMING}")(command_of(_recipe))


def train(recipe: Recipe, training: TrainingOptions, options: RunOptions, place: PlaceOptions, dry_run: bool) -> None:
    """Take a run to its end, or only tell of it."""
    recipe.refuse_unmeasured(options.metric)
    recipe.held_out_files()  # before PyTorch is imported, which takes seconds
    from bartleby.training.export import export_run, refuse_target

    if place.export is not None:
        refuse_target(place.export, place.force)  # now, not after hours
    if dry_run:
        from bartleby.cli.plan import plan_of

        if is_main_process():
            print("\n".join(plan_of(recipe, training, options, say)))
        return
    from bartleby.training.run import Run
    from bartleby.training.runs import runs_folder

    path = place.run_dir or runs_folder() / recipe.kind
    with closing(Run(recipe, training, options, path, say)) as run:
        best = follow(run)
        if run.is_main:
            print(best if place.export is None else export_run(path, place.export, say, force=place.force))


def follow(run: Run) -> Path:
    """Take the steps that are left; returns the best checkpoint."""
    with stop_signals() as received, Progress(run.trainer.step, run.trainer.steps, run.is_main) as progress:
        for report in run.steps(lambda: bool(received)):
            progress.show(report)
    if run.trainer.step < run.trainer.steps and not run.is_impatient:
        run.save()
        run.tell(f"Stopped after step {run.trainer.step}, which is saved. The same command goes on from there.")
        raise typer.Exit(128 + (received or [signal.SIGTERM])[0])  # of several processes perhaps another was told
    return run.finish()


@contextmanager
def stop_signals() -> Iterator[list[int]]:
    """Ctrl-C and SIGTERM, collected instead of obeyed, so that no step is cut in two; a second Ctrl-C is obeyed."""
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if received and number == signal.SIGINT:
            raise KeyboardInterrupt
        received.append(number)

    former = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
