"""A run's folder: its recipe, its figures a line each, and checkpoints that a kill at any moment cannot spoil.

RUN/recipe.json · RUN/metrics.jsonl · RUN/checkpoints/step-00001200/{model in the published layout, training_state.pt}
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

import torch

from bartleby.backends.pytorch.heads import ConditionalGeneration
from bartleby.documents import write_whole
from bartleby.errors import CheckpointError, OptionError, raise_all
from bartleby.tokenization.base import PreTrainedTokenizer

if TYPE_CHECKING:
    from bartleby.training.trainer import Trainer

CHECKPOINTS_KEPT = 2
RECIPE = "recipe.json"
BEST = "best.json"
STATE = "training_state.pt"


def runs_folder() -> Path:
    """Where runs live unless told otherwise: outside any work tree, where no commit picks them up."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "bartleby" / "runs"


def checkpoint_of(name: str) -> str:
    """Of the folder of a run its best checkpoint, or the newest if none was measured; any other name as it is.

    Raises: CheckpointError if the run has none yet.
    """
    folder = RunFolder(Path(name).expanduser())
    if not (folder.path / RECIPE).is_file():
        return name
    found = folder.best or next(reversed(folder.checkpoints()), None)
    if found is None:
        raise CheckpointError(f"{name} must be a run with a checkpoint, but has none yet. Train it first.")
    return str(found)


class RunFolder:
    """Where one run leaves what it makes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def recipe(self) -> dict[str, Any] | None:
        """What the run was started with; None before it is."""
        try:
            recipe: dict[str, Any] = json.loads((self.path / RECIPE).read_text("utf-8"))
        except FileNotFoundError:
            return None
        except ValueError as fault:
            raise CheckpointError(f"{self.path / RECIPE} cannot be read: {fault}. Choose another run folder.") from None
        return recipe

    def settle(self, recipe: Mapping[str, Any]) -> None:
        """Start a run of this recipe, or take one up that was started with the same.

        Raises: OptionError naming every field that differs.
        """
        wanted: dict[str, Any] = json.loads(json.dumps(recipe))  # as it is read back: tuples become lists
        earlier = self.recipe
        if earlier is None:
            self.path.mkdir(parents=True, exist_ok=True)
            write_whole(self.path / RECIPE, json.dumps(wanted, indent=2, ensure_ascii=False) + "\n")
            return
        faults = [
            f"`{name}` is {wanted.get(name)!r} here, but {earlier.get(name)!r} there."
            for name in sorted(earlier.keys() | wanted.keys())
            if earlier.get(name) != wanted.get(name)
        ]
        raise_all(
            OptionError, faults, f"{self.path} holds a run of another recipe; choose another run folder, or its own"
        )

    @property
    def metrics(self) -> Path:
        """The file of figures."""
        return self.path / "metrics.jsonl"

    def log(self, figures: Mapping[str, Any]) -> None:
        """Append one line of figures."""
        with self.metrics.open("ab+") as file:
            if file.tell() and file.seek(-1, os.SEEK_END) and file.read(1) != b"\n":
                file.write(b"\n")  # a kill cut the last line short
            file.write(json.dumps(dict(figures), ensure_ascii=False).encode() + b"\n")

    def figures(self, kind: str) -> list[dict[str, Any]]:
        """The lines of one kind logged so far; one that a kill cut short is left out."""
        figures = []
        for line in self.metrics.read_text("utf-8").splitlines() if self.metrics.exists() else []:
            with suppress(json.JSONDecodeError):
                figures.append(json.loads(line))
        return [figure for figure in figures if figure["kind"] == kind]

    def checkpoints(self) -> list[Path]:
        """The checkpoints, oldest first."""
        return sorted((self.path / "checkpoints").glob("step-*"))

    @property
    def best(self) -> Path | None:
        """The checkpoint that measured best; None if none was measured, or it is gone."""
        try:
            step = json.loads((self.path / BEST).read_text("utf-8"))["step"]
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as fault:
            raise CheckpointError(f"{self.path / BEST} cannot be read: {fault}. Delete it.") from None
        return next((path for path in self.checkpoints() if path.name == f"step-{step:08d}"), None)

    def save(self, trainer: Trainer, model: ConditionalGeneration, tokenizer: PreTrainedTokenizer) -> Path:
        """Write a checkpoint under a temporary name, rename it, and remove all but the newest ones."""
        target = self.path / "checkpoints" / f"step-{trainer.step:08d}"
        if target.exists():  # nothing was learnt since
            return target
        draft = target.with_name(f".{target.name}.{os.getpid()}")
        draft.mkdir(parents=True)
        try:
            model.save_pretrained(draft)
            tokenizer.save_pretrained(draft)
            torch.save(trainer.state(), draft / STATE)
            draft.replace(target)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        self._tidy()
        return target

    def restore(self, trainer: Trainer, model: ConditionalGeneration) -> bool:
        """Put the newest checkpoint back into `model` and `trainer`; False if there is none."""
        found = self.checkpoints()
        if not found:
            return False
        try:
            state = torch.load(found[-1] / STATE, weights_only=True)
        except (OSError, RuntimeError, UnpicklingError):
            raise CheckpointError(
                f"{found[-1]} cannot be resumed: its {STATE} is missing or damaged. Delete it to resume an older one."
            ) from None
        model.load_state_dict(type(model).from_pretrained(found[-1]).state_dict())
        trainer.restore(state)
        return True

    def _tidy(self) -> None:
        """Only the newest checkpoints stay, and no draft that a kill left behind."""
        for leftover in [*self.checkpoints()[:-CHECKPOINTS_KEPT], *(self.path / "checkpoints").glob(".step-*")]:
            shutil.rmtree(leftover)
