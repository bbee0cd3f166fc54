"""`bartleby train status`: a run as its folder tells of it, while it goes on or afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bartleby.errors import CheckpointError
from bartleby.training.journal import ENDED, Journal
from bartleby.training.runs import RunFolder, step_of
from bartleby.training.stages import Stage, own_stage, read_stages

COUNTED = ("step", "sample", "time", "kind")
"""What a validation says of itself besides figures."""
RECENT = 50
"""Steps that the loss is the mean of."""


def status_of(path: Path) -> Iterator[str]:
    """Lines: where it stands, its loss, its validations, its checkpoints, and what went before.

    Raises: CheckpointError if there is no run.
    """
    folder, journal = RunFolder(path), Journal(path, writes=False)
    recipe = folder.recipe
    if recipe is None:
        raise CheckpointError(f"{path} must be the folder of a run, but holds none.")
    steps = journal.figures("step")
    last = steps[-1]["step"] if steps else 0
    own = own_stage(folder, last)
    total = recipe.get("steps")
    yield f"{own.kind}: step {last:,} of {'as yet unknown many' if total is None else f'{total:,}'}, {told(own)}"
    for line in journal.figures(ENDED)[-1:]:
        if line["step"] == last:  # else it went on since
            yield f"ended before its last step: {line['why']}"
    if steps:
        recent = steps[-RECENT:]
        yield f"loss: {sum(line['loss'] for line in recent) / len(recent):.3f}, mean of the last {len(recent)} steps"
    for line in journal.figures("validation")[-1:]:
        yield f"validation after step {line['step']:,}: {figures(line)}"
    best = folder.best_figure
    if best is not None:
        yield f"best: {best['metric']} {best['value']:.4g} after step {best['step']:,}"
    kept = [f"{step_of(checkpoint):,}" for checkpoint in folder.checkpoints()]
    yield f"checkpoints after steps: {', '.join(kept) or 'none yet'}"
    for stage in reversed(read_stages(path)):
        yield f"before: {stage.name}{f', {stage.kind}, {told(stage)}' if stage.kind else ''}"


def runs_in(folder: Path) -> Iterator[str]:
    """A line for each run in `folder`: where it stands, and how its best checkpoint measures."""
    runs = [RunFolder(path) for path in sorted(folder.glob("*")) if RunFolder(path).is_run]
    for run in runs:
        try:
            first, *_ = status_of(run.path)
            best = run.best_figure
            measured = f"; best {best['metric']} {best['value']:.4g}" if best else ""
            yield f"{run.path}: {first}{measured}"
        except CheckpointError as fault:
            yield f"{run.path}: {fault}"
    if not runs:
        yield f"There are no runs in {folder}. Those elsewhere are told of one at a time: `bartleby train status RUN`."


def told(stage: Stage) -> str:
    """What a run took."""
    where = f" on {'; '.join(stage.machines)}" if stage.machines else ""
    return f"{stage.minutes:g} minutes{where}, {stage.examples:,} examples and {stage.tokens:,} tokens seen"


def figures(line: Mapping[str, Any]) -> str:
    """A validation's figures."""
    return ", ".join(f"{name} {value:.4g}" for name, value in line.items() if name not in COUNTED)
