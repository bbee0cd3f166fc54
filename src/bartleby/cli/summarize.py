"""`bartleby summarize`: the summary of a file or of standard input, on one line."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bartleby.cli.chat import CONTROL, note
from bartleby.errors import DataError, OptionError

if TYPE_CHECKING:
    from bartleby.tasks.summarize import Summary


def summarize(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A text in UTF-8; - for standard input.")],
    style: Annotated[
        str | None, typer.Option(metavar="NAME", help="title or summary, if the model knows both; else its usual one.")
    ] = None,
    model: Annotated[
        str, typer.Option(metavar="NAME", help="A published or shipped name, or a folder.")
    ] = "bartleby-summary-mini",
    backend: Annotated[str, typer.Option(metavar="NAME", help="auto, pytorch, flax, tensorflow or plain.")] = "auto",
    report: Annotated[
        Path | None, typer.Option("--json", metavar="OUT", help="Write there what is known of the summary, too.")
    ] = None,
    num_beams: Annotated[int | None, typer.Option(metavar="N", help="How many beams search; 1: none.")] = None,
    min_new_tokens: Annotated[int | None, typer.Option(metavar="N", help="Shortest summary.")] = None,
    max_new_tokens: Annotated[int | None, typer.Option(metavar="N", help="Longest summary.")] = None,
    length_penalty: Annotated[
        float | None, typer.Option(metavar="X", help="Above 0 favours long summaries of beams.")
    ] = None,
) -> None:
    """Summarize a text. The summary alone goes to stdout; what was not read or not finished is told on stderr.

    A text longer than the model's positions is cut at its end. Decoding options that are not given are the model's own.
    """
    from bartleby.documents import write_whole
    from bartleby.tasks.summarize import Summarizer

    check_target(report)
    text = read_text(file)
    options = {
        "num_beams": num_beams,
        "min_new_tokens": min_new_tokens,
        "max_new_tokens": max_new_tokens,
        "length_penalty": length_penalty,
    }
    given = {name: value for name, value in options.items() if value is not None}
    summarizer = Summarizer.load(model, backend=backend, **given)
    summary = summarizer.summarize(text, style)
    say(summary)
    if report is not None:
        told = {"model": model, "backend": summarizer.backend.name, **asdict(summary)}
        write_whole(report, json.dumps(told, indent=2, ensure_ascii=False) + "\n")


def check_target(report: Path | None) -> None:
    """Raises: OptionError before any work is done, if a report could not be written there."""
    if report is not None and (report.is_dir() or not report.parent.is_dir()):
        raise OptionError(f"`--json` must be a file in a folder that is there, but is {report}.")


def read_text(file: str) -> str:
    """What a file holds, or standard input.

    Raises: DataError if it cannot be read, or is no UTF-8.
    """
    name = "Standard input" if file == "-" else file
    try:
        if file != "-":
            return Path(file).read_text(encoding="utf-8")
        return sys.stdin.read() if sys.stdin is not None else ""  # None when it is closed
    except UnicodeDecodeError as error:
        raise DataError(f"{name} must be {error.encoding} text, but is not: {error.reason}.") from None
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror or error}.") from None


def say(summary: Summary) -> None:
    """The summary on one line of stdout, and what there is to tell about it on stderr."""
    if summary.dropped_tokens:
        seen = summary.source_tokens
        note(
            f"The text is too long for the model: its last {summary.dropped_tokens} tokens were not read, "
            f"only the first {seen}."
        )
    if summary.finish_reason != "eos":
        note(f"The summary was cut off at {summary.tokens} tokens ({summary.finish_reason}).")
    print(summary.text.translate(CONTROL), flush=True)
