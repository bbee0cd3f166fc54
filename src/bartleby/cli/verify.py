"""`bartleby verify`: run a checkpoint in every way there is, and show which agree and how closely."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bartleby.errors import OptionError

if TYPE_CHECKING:
    from rich.table import Table

    from bartleby.lab.checks import Check, Report

WIDTH = 160
"""Columns where no terminal says how many."""

COLOURS = {"agrees": "green", "differs": "bold red", "known": "yellow", "noted": "cyan", "skipped": "dim"}


def verify(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A published or shipped name, or a folder.")],
    against: Annotated[
        str | None, typer.Option(metavar="LIBRARY", help="Also beside this one: transformers, if it is installed.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the whole report there, too.")
    ] = None,
    texts: Annotated[int, typer.Option(metavar="N", help="How many texts it reads, 1 to 4.")] = 3,
    new_tokens: Annotated[int, typer.Option(metavar="N", help="Longest answer that is compared.")] = 24,
    plain_tokens: Annotated[
        int | None,
        typer.Option(metavar="N", help="How much of it the slow definition writes; else by the model's size."),
    ] = None,
    device: Annotated[str, typer.Option(metavar="NAME", help="Where PyTorch computes: cpu, cuda.")] = "cpu",
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Of the ids for a checkpoint without tokenizer.")] = 0,
    wings: Annotated[
        bool, typer.Option("--wings", help="Also in Flax and TensorFlow, where installed: a minute more.")
    ] = False,
) -> None:
    """Verify a checkpoint: its files, implementations, precisions, shapes of batch and ways to decode, side by side.

    Leaves with 0 if everything agrees within the stated bounds, with 1 if something does not.
    """
    from bartleby.documents import write_whole
    from bartleby.lab.verify import VerifyOptions
    from bartleby.lab.verify import verify as verify_checkpoint

    if report is not None and (report.is_dir() or not report.parent.is_dir()):
        raise OptionError(f"`--json` must be a file in a folder that is there, but is {report}.")
    options = VerifyOptions(against, texts, new_tokens, plain_tokens, device, seed, wings)
    found = verify_checkpoint(name, options, progress)
    show(found)
    if report is not None:
        write_whole(report, json.dumps(found.as_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    if found.differing:
        raise typer.Exit(1)


def progress(step: str) -> None:
    """What comes next, for whoever watches a terminal."""
    if sys.stderr.isatty():
        print(f"bartleby: {step} …", file=sys.stderr)


def show(report: Report) -> None:
    """The report as a table, and the verdict below it."""
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=WIDTH)
    facts = report.facts
    size = f", {facts['parameters']:,} parameters" if "parameters" in facts else ""
    print(f"{report.checkpoint}: {facts['model_type']}, {facts['head'].replace('_', ' ')}{size}")
    with console.capture() as captured:
        console.print(table_of(report.checks))
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))
    print(report.verdict)


def table_of(checks: list[Check]) -> Table:
    """A row for each check, the area named where it begins."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("", "checked", "beside", "result"):
        table.add_column(column, no_wrap=column in ("", "result"))
    table.add_column("worst", justify="right", no_wrap=True)
    table.add_column("bound", justify="right", no_wrap=True)
    table.add_column("remark")
    area = ""
    for check in checks:
        shown = "" if check.area == area else check.area
        if area and shown:
            table.add_section()
        area = check.area
        numbers = ["" if number is None else f"{number:.0e}" for number in (check.worst, check.bound)]
        result = f"[{COLOURS[check.verdict]}]{check.verdict}[/]"
        table.add_row(shown, escape(check.subject), escape(check.other), result, *numbers, escape(check.remark))
    return table
