"""`bartleby train`: models of one's own."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from bartleby.training.chat_run import ChatRun

app = typer.Typer(no_args_is_help=True, help="Train models of one's own.")


@app.callback()
def train() -> None:
    """Train models of one's own."""


@app.command()
def chat(
    data: Annotated[Path, typer.Option(help="Folder of NAME.train.jsonl and NAME.valid.jsonl, plain or packed.")],
    run_dir: Annotated[Path | None, typer.Option(help="Where the run lives.")] = None,
    steps: Annotated[int, typer.Option(help="Batches to learn from.")] = 4000,
    batch_tokens: Annotated[int, typer.Option(help="Places in a batch, padding included.")] = 5000,
    learning_rate: Annotated[float, typer.Option(help="Highest learning rate.")] = 2e-3,
    seed: Annotated[int, typer.Option(help="Decides weights and order.")] = 0,
    checkpoint_minutes: Annotated[float, typer.Option(help="Time between checkpoints.")] = 5,
) -> None:
    """Train a chat model; prints where it is."""
    from bartleby.training.chat_run import PRESET, ChatRun, ChatRunOptions
    from bartleby.training.optimizers import OptimizerOptions
    from bartleby.training.runs import RUNS
    from bartleby.training.trainer import TrainingOptions

    training = TrainingOptions(steps, OptimizerOptions(learning_rate=learning_rate), seed=seed)
    options = ChatRunOptions(data, training, batch_tokens=batch_tokens)
    run = ChatRun(options, run_dir or RUNS / PRESET, say)
    print(follow(run, checkpoint_minutes * 60))


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def follow(run: ChatRun, checkpoint_seconds: float) -> Path:
    """Take all steps, with checkpoints and figures on the way; returns the last checkpoint."""
    stopped: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.append(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    started = saved = validated = time.monotonic()
    examples = tokens = 0
    for report in run.steps():
        examples, tokens = examples + report.examples, tokens + report.tokens
        now = time.monotonic()
        if report.step % 20 == 0 or report.step < 10:
            rate = (now - started) / max(1, report.step - run_start(run))
            left = rate * (run.options.training.steps - report.step) / 60
            say(
                f"step {report.step} loss {report.loss:.3f} {examples / (now - started):.1f} examples/s "
                f"{tokens / (now - started):.0f} tokens/s {left:.1f} min left"
            )
        if stopped:
            run.save()
            say(f"Stopped after step {report.step}; the same command goes on from there.")
            raise typer.Exit(130)
        if now - saved >= checkpoint_seconds:
            run.save()
            saved = time.monotonic()
        if now - validated >= 600:
            say(f"step {report.step} validation perplexity {run.validate(500).value:.2f}")
            validated = time.monotonic()
    last = run.save()
    say(f"validation perplexity {run.validate(run.options.validation_examples).value:.2f}")
    return last


def run_start(run: ChatRun) -> int:
    return run.first_step
