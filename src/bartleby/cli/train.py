"""`bartleby train`: a command for each kind of training (`kinds.py`), and what becomes of a run afterwards."""

from __future__ import annotations

from collections.abc import MutableMapping
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from bartleby.cli.progress import say
from bartleby.documents import read_document
from bartleby.errors import DataError, need_extra


class Kinds(TyperGroup):
    """The commands of the kinds stand before the others, made when one is looked for: the rest stays instant."""

    _own: MutableMapping[str, Any]
    _all: MutableMapping[str, Any] | None = None

    @property
    def commands(self) -> MutableMapping[str, Any]:
        """Every command by its name."""
        if self._all is None:
            from bartleby.cli.kinds import app as kinds

            group: Any = typer.main.get_command(kinds)
            self._all = {**group.commands, **self._own}
        return self._all

    @commands.setter
    def commands(self, own: MutableMapping[str, Any]) -> None:
        self._own = own


app = typer.Typer(cls=Kinds, no_args_is_help=True, help="Train models of your own; `docs/training.md` tells how.")


@app.command("export")
def export(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")],
    target: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the checkpoint goes.")],
    figures: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="What `bartleby evaluate --json` wrote, for the card. Repeatable."),
    ] = None,
    max_shard_size: Annotated[str, typer.Option(metavar="SIZE", help="Of one file of weights.")] = "15MB",
    force: Annotated[bool, typer.Option("--force", help="Replace the checkpoint that is in FOLDER.")] = False,
) -> None:
    """Make the best checkpoint of a run one to ship: float16, with a measured model card; prints where it is."""
    need_extra("train", "Exporting a run")
    from bartleby.training.export import export_run

    documents = [_figures_in(path) for path in figures or ()]
    print(export_run(run_dir, target, say, figures=documents, max_shard_size=max_shard_size, force=force))


def _figures_in(path: Path) -> dict[str, Any]:
    """Raises: DataError if no evaluation wrote the file."""
    document = read_document(path, DataError)
    missing = [f"`{name}`" for name in ("data", "examples", "task") if name not in document]
    if missing:
        raise DataError(
            f"{path} must be what `bartleby evaluate --json` wrote, but has no {', '.join(missing)}. Take that."
        )
    return document


@app.command("status")
def status(
    run_dir: Annotated[
        Path | None, typer.Argument(metavar="RUN", help="Folder of a run; without it, all in the user's cache.")
    ] = None,
) -> None:
    """Tell how far a run is, how it measures, and which runs its model went through before."""
    from bartleby.cli.status import runs_in, status_of
    from bartleby.training.runs import runs_folder

    print("\n".join(runs_in(runs_folder()) if run_dir is None else status_of(run_dir)))
