"""`bartleby train`: learn a chat model, and make a finished run into a checkpoint to ship."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from bartleby.cli.progress import Progress, say
from bartleby.errors import OptionError, need_extra

if TYPE_CHECKING:
    from bartleby.training.chat_run import ChatRun

app = typer.Typer(no_args_is_help=True, help="Train models of your own.")

VALIDATION_SECONDS = 600
QUICK_VALIDATION = 500
"""Replies measured on the way; at the end it is all that the run keeps."""


@app.command()
def chat(
    data: Annotated[Path, typer.Option(metavar="FOLDER", help="NAME.train.jsonl and NAME.valid.jsonl, or .xz, .gz.")],
    run_dir: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where the run lives; the same again takes it up.")
    ] = None,
    steps: Annotated[int | None, typer.Option(metavar="N", help="Batches to learn from.")] = None,
    minutes: Annotated[
        float | None, typer.Option(metavar="M", help="As many batches as take this long, as measured at the start.")
    ] = None,
    leave_out: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Corpus to do without.")] = None,
    validation: Annotated[str | None, typer.Option(metavar="NAME", help="Corpus to measure on; else all.")] = None,
    on_bad_record: Annotated[str, typer.Option(metavar="HOW", help="stop or skip.")] = "stop",
    batch_tokens: Annotated[int, typer.Option(metavar="N", help="Places in a batch, padding included.")] = 5000,
    learning_rate: Annotated[float, typer.Option(metavar="X", help="The highest, for all but matrices.")] = 2e-3,
    matrix_rate: Annotated[float, typer.Option(metavar="X", help="The highest, for matrices in layers.")] = 4e-3,
    warmup_steps: Annotated[int, typer.Option(metavar="N", help="Batches until it is reached.")] = 200,
    optimizer: Annotated[str, typer.Option(metavar="NAME", help="muon or adamw.")] = "muon",
    precision: Annotated[str, typer.Option(metavar="NAME", help="bf16 or no.")] = "bf16",
    change: Annotated[
        list[str] | None, typer.Option(metavar="FIELD=VALUE", help="Field of the model's config, such as d_model=512.")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Decides the weights and the order.")] = 0,
    checkpoint_minutes: Annotated[float, typer.Option(metavar="M", help="Between two checkpoints.")] = 5,
    export: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="When done, as `bartleby train export` to here.")
    ] = None,
) -> None:
    """Train a chat model on a folder of dialogues; prints where it is.

    A run that was stopped, in whatever way, goes on from its last checkpoint when the same command is given again.
    """
    need_extra("train", "Training")
    from bartleby.training.chat_run import PRESET, ChatRun, ChatRunOptions
    from bartleby.training.pace import steps_in
    from bartleby.training.runs import runs_folder
    from bartleby.training.settings import TrainingOptions

    path = run_dir or runs_folder() / PRESET

    def options_for(count: int) -> ChatRunOptions:
        training = TrainingOptions(
            steps=count,
            optimizer=optimizer,
            learning_rate=learning_rate,
            matrix_rate=matrix_rate,
            warmup_steps=warmup_steps,
            precision=precision,
            seed=seed,
        )
        return ChatRunOptions(
            data=data,
            training=training,
            batch_tokens=batch_tokens,
            leave_out=tuple(leave_out or ()),
            validation=validation,
            on_bad_record=on_bad_record,  # type: ignore[arg-type]
            changes=tuple(change or ()),
        )

    if (steps is None) == (minutes is None):
        raise OptionError("Exactly one of `--steps` and `--minutes` must be given, but both or none were.")
    count = steps if steps is not None else steps_in(minutes or 0.0, options_for(1), path, say)
    run = ChatRun(options_for(count), path, say)
    last = follow(run, checkpoint_minutes * 60)
    print(last if export is None else export_to(path, export))


@app.command("export")
def export_run(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")],
    target: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the checkpoint goes.")],
) -> None:
    """Make the newest checkpoint of a run one to ship: float16, with a measured model card; prints where it is."""
    need_extra("train", "Exporting a run")
    print(export_to(run_dir, target))


def export_to(run: Path, target: Path) -> Path:
    """As the command."""
    from bartleby.training.export import export_run

    return export_run(run, target, say)


def follow(run: ChatRun, checkpoint_seconds: float) -> Path:
    """Take the steps that are left, with checkpoints and figures on the way; returns the last checkpoint."""
    saved = validated = time.monotonic()
    with stop_signals() as stopped, Progress(run.trainer.step, run.options.training.steps) as progress:
        for report in run.steps():
            progress.show(report)
            now = time.monotonic()
            if stopped:
                run.save()
                say(f"Stopped after step {report.step}, which is saved. The same command goes on from there.")
                raise typer.Exit(128 + stopped[0])
            if now - saved >= checkpoint_seconds:
                run.save()
                saved = now
            if now - validated >= VALIDATION_SECONDS:
                figure = run.validate(QUICK_VALIDATION)
                say(
                    f"Validation perplexity after step {report.step}: {figure.value:.2f} on {QUICK_VALIDATION} replies."
                )
                validated = now
    last = run.save()
    say(f"Validation perplexity: {run.validate().value:.2f}.")
    return last


@contextmanager
def stop_signals() -> Iterator[list[int]]:
    """Ctrl-C and SIGTERM, collected instead of obeyed, so that a step is never cut in two."""
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)

    former = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
