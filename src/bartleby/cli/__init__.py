"""The command `bartleby`. The answer alone goes to stdout, everything else to stderr.

Exit codes: 0 done, 1 failed, 2 wrong use, 130 interrupted. Commands import what is heavy when they run, so that help is
instant.
"""

from __future__ import annotations

import io
import sys
import warnings
from typing import Annotated, Any

import typer

from bartleby import __version__
from bartleby.cli import train
from bartleby.cli.chat import chat
from bartleby.cli.convert import convert
from bartleby.cli.evaluate import evaluate
from bartleby.cli.info import info
from bartleby.cli.summarize import summarize
from bartleby.cli.verify import verify
from bartleby.errors import BartlebyError, OptionError

app = typer.Typer(name="bartleby", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.command()(chat)
app.command()(summarize)
app.command()(info)
app.command()(convert)
app.command()(verify)
app.command()(evaluate)
app.add_typer(train.app, name="train")


def print_version(wanted: bool) -> None:
    """Print the version and stop, before any command is looked at."""
    if wanted:
        print(f"bartleby {__version__}")
        raise typer.Exit


@app.callback()
def bartleby(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=print_version, help="Print it.")
    ] = False,
) -> None:
    """BART, Blenderbot and Blenderbot-Small: chat, summarize, train, evaluate; look at, convert, verify checkpoints."""


def main() -> None:
    """Run the command line; what the library refuses becomes one clear line and an exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as stderr: rather \u2026 than no answer
    with warnings.catch_warnings():
        warnings.showwarning = show_warning  # type: ignore[assignment]
        try:
            app()
        except BartlebyError as error:
            print(f"bartleby: {error}", file=sys.stderr)
            sys.exit(2 if isinstance(error, OptionError) else 1)
        except OSError as error:
            if error.filename is None:
                raise
            print(
                f"bartleby: {error.filename} must be a path that can be used, but is not: {error.strerror}. "
                "Choose another, or see to its rights and to the room on the disk.",
                file=sys.stderr,
            )
            sys.exit(1)


def show_warning(message: Warning | str, *_: Any) -> None:
    """A warning without the place in the source, which tells whoever types commands nothing."""
    print(f"bartleby: {message}", file=sys.stderr)
