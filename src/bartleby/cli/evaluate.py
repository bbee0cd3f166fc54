"""`bartleby evaluate`: how good a model is on held-out texts, as a table and as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bartleby.errors import OptionError, raise_all

if TYPE_CHECKING:
    from rich.table import Table

    from bartleby.lab.evaluate import Evaluation

WIDTH = 160
"""Columns where no terminal says how many."""


def evaluate(
    task: Annotated[str, typer.Argument(metavar="TASK", help="chat, summarize, classify or answer.")],
    data: Annotated[
        Path, typer.Option(metavar="FILE", help="Records of the task: NAME.valid.jsonl, .csv, …, or packed.")
    ],
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="A name or a folder; else the embedded model of the task.")
    ] = None,
    report: Annotated[Path | None, typer.Option("--json", metavar="OUT", help="Write the figures there, too.")] = None,
    outputs: Annotated[
        Path | None, typer.Option(metavar="OUT", help="Write there what the model said, a JSON line an example.")
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=0, help="Examples in the sample; 0: the whole file.")] = 500,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Of the sample, and of what is drawn.")] = 0,
    baselines: Annotated[
        bool, typer.Option("--baselines", help="Also what simple means reach on the same examples.")
    ] = False,
    known: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What baselines learn from; else the rest of the same file.")
    ] = None,
    style: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of summaries: title or summary, if the model knows both.")
    ] = None,
    decoding: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Decoding option, such as num_beams=4; repeatable.")
    ] = None,
    backend: Annotated[str, typer.Option(metavar="NAME", help="auto, pytorch, flax, tensorflow or plain.")] = "auto",
    on_bad_record: Annotated[str, typer.Option(metavar="HOW", help="stop or skip.")] = "stop",
) -> None:
    """Measure a model on a seeded sample of a file: perplexity, ROUGE, accuracy or what else the task has.

    Perplexity is per token of the model's own vocabulary: two models' can be compared only if they share it.
    """
    from bartleby.documents import write_whole
    from bartleby.lab.evaluate import EvaluateOptions, write_outputs
    from bartleby.lab.evaluate import evaluate as evaluate_model

    check_targets({"--json": report, "--outputs": outputs})
    options = EvaluateOptions(
        task=task,
        data=data,
        model=model,
        backend=backend,
        limit=limit or None,
        seed=seed,
        style=style,
        baselines=baselines,
        known=known,
        decoding=parsed(decoding or []),
        on_bad_record=on_bad_record,
    )
    found = evaluate_model(options, progress)
    show(found)
    if outputs is not None:
        write_outputs(outputs, found)
    if report is not None:
        write_whole(report, json.dumps(found.as_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def check_targets(targets: dict[str, Path | None]) -> None:
    """Raises: OptionError before any work is done, if a file could not be written."""
    faults = [
        f"`{name}` must be a file in a folder that is there, but is {path}."
        for name, path in targets.items()
        if path is not None and (path.is_dir() or not path.parent.is_dir())
    ]
    raise_all(OptionError, faults, "evaluate")


def parsed(assignments: list[str]) -> dict[str, Any]:
    """`NAME=VALUE` with a value as JSON writes it, or else a text.

    Raises: OptionError for what is no assignment.
    """
    values = {}
    for assignment in assignments:
        name, is_assigned, text = assignment.partition("=")
        if not (name and is_assigned):
            raise OptionError(f"`--decoding` must be NAME=VALUE, but is {assignment!r}.")
        try:
            values[name] = json.loads(text)
        except ValueError:
            values[name] = text
    return values


def progress(doing: str, done: int, count: int) -> None:
    """Where it is, for whoever watches a terminal."""
    if sys.stderr.isatty():
        print(f"\rbartleby: {doing} {done} of {count} …\033[K", end="\n" if done == count else "", file=sys.stderr)


def show(found: Evaluation) -> None:
    """The figures as a table between a line that says of what, and one that says what to know of them."""
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=WIDTH)
    options = found.options
    print(f"{options.model_name}, {options.task}: {found.examples} examples of {options.data}, seed {options.seed}")
    with console.capture() as captured:
        console.print(table_of(found))
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))
    facts = {**found.measured.facts, "skipped_records": found.skipped}
    print(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in facts.items() if value not in (0, None)))


def table_of(found: Evaluation) -> Table:
    """A row a figure, a column for the model and each baseline."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for name in ("model", *found.measured.baselines):
        table.add_column(name.replace("_", " "), justify="right", no_wrap=True)
    table.add_column("")
    for name, meaning, figures in found.rows():
        table.add_row(name, *("" if figure is None else shown(figure) for figure in figures), meaning)
    return table


def shown(figure: float) -> str:
    """As many digits as mean something."""
    return f"{figure:.2f}" if abs(figure) >= 10 else f"{figure:.4f}"
