"""A run's folder: its recipe, its examples and checkpoints, none of which a kill at any moment can spoil.

RUN/recipe.json · RUN/data/{tokenizer, train, valid, figures.json} · RUN/metrics.jsonl · RUN/best.json · RUN/lock ·
RUN/checkpoints/step-00001200/{model in the published layout, training_state.pt}

Whatever has its final name is whole: it is written under a name with a leading dot and renamed, and renamed back
before it is removed. Only metrics.jsonl grows in place; a line cut short is no line.
"""

from __future__ import annotations

import json
import os
import shutil
import weakref
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from bartleby.documents import write_whole
from bartleby.errors import CheckpointError, OptionError
from bartleby.training.journal import METRICS_FILE

RECIPE = "recipe.json"
BEST = "best.json"
STATE = "training_state.pt"
LOCK = "lock"
CHECKPOINTS = "checkpoints"
EXAMPLES = "data"
FIGURES = "figures.json"
STAGES = "stages.json"
STEPS = "steps"
NOTED_LATER = ("validation_corpora",)
"""What recipes of earlier releases do not say: a run that was started with one goes on without it."""


def runs_folder() -> Path:
    """Where runs live unless told otherwise: outside any work tree, where no commit picks them up."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "bartleby" / "runs"


def checkpoint_of(name: str) -> str:
    """Of the folder of a run its best checkpoint, or the newest if none was measured; any other name as it is.

    Raises: CheckpointError if the run has none yet.
    """
    folder = RunFolder(Path(name).expanduser())
    if not folder.is_run:
        return name
    found = folder.best or next(reversed(folder.checkpoints()), None)
    if found is None:
        raise CheckpointError(f"{name} must be a run with a checkpoint, but has none yet. Train it first.")
    return str(found)


def run_and_step(name: str) -> tuple[RunFolder, int] | None:
    """The run that `name` is, or is a checkpoint of, and after which step; None for any other name."""
    path = Path(checkpoint_of(name)).expanduser().resolve()
    run = RunFolder(path.parent.parent)
    return (run, step_of(path)) if path in run.checkpoints() and run.is_run else None


def step_of(checkpoint: Path) -> int:
    """The step after which a checkpoint was written, which is its name."""
    return int(checkpoint.name.removeprefix("step-"))


def _differing(earlier: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """The fields in which two recipes differ."""
    return [
        name
        for name in sorted(earlier.keys() | wanted.keys())
        if earlier.get(name) != wanted.get(name) and (name in earlier or name not in NOTED_LATER)
    ]


class RunFolder:
    """Where one run leaves what it makes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def is_run(self) -> bool:
        """Whether a run was started here."""
        return (self.path / RECIPE).is_file()

    @property
    def recipe(self) -> dict[str, Any] | None:
        """What the run was started with; None before it is."""
        return self._document(RECIPE, "Choose another run folder.")

    def settle(
        self,
        recipe: Mapping[str, Any],
        of_examples: Collection[str] = (),
        tell: Callable[[str], None] = lambda line: None,
    ) -> None:
        """Start a run of this recipe, or take one up that was started with the same.

        Where nothing was learnt yet another recipe takes the place of the earlier; the examples stay if all of their
        fields, `of_examples`, do. The number of steps may be None, where it is not known yet.
        Raises: OptionError naming every field that differs from the recipe that a checkpoint was learnt with.
        """
        wanted: dict[str, Any] = json.loads(json.dumps(recipe))  # as it is read back: tuples become lists
        earlier = self.recipe
        if earlier is None:
            self.path.mkdir(parents=True, exist_ok=True)
            self._write(RECIPE, wanted)
            return
        if not self.checkpoints():
            self._settle_anew(earlier, wanted, of_examples, tell)
            return
        if None in (wanted.get(STEPS), earlier.get(STEPS)):
            wanted[STEPS] = earlier.get(STEPS)
        differing = _differing(earlier, wanted)
        if differing:
            raise OptionError(
                f"{self.path} must be trained in with the recipe it was started with, but this one differs:\n"
                + "\n".join(
                    f"  - `{name}` is {wanted.get(name)!r} here, but {earlier.get(name)!r} there." for name in differing
                )
                + f"\nTo go on, give the same options as there. To begin another run, give another `--run-dir`, and "
                f"`--model {self.path}` to start it from what this one learnt."
            )

    def _settle_anew(
        self,
        earlier: Mapping[str, Any],
        wanted: Mapping[str, Any],
        of_examples: Collection[str],
        tell: Callable[[str], None],
    ) -> None:
        """Replace the recipe of a start that came to no checkpoint; killed half-way this can be done again."""
        names = [name for name in _differing(earlier, wanted) if name != STEPS or wanted.get(STEPS) is not None]
        if not names:
            if wanted != earlier:
                self._write(RECIPE, wanted)  # steps that passes or minutes gave are found out anew
            return
        stays = not {*names} & {*of_examples}
        if not stays and (self.path / EXAMPLES).exists():
            (self.path / EXAMPLES).replace(self.path / f".{EXAMPLES}.removed")
        for name in (METRICS_FILE, STAGES, BEST):
            (self.path / name).unlink(missing_ok=True)
        self._write(RECIPE, wanted)
        changes = ", ".join(f"`{name}` {earlier.get(name)!r} by {wanted.get(name)!r}" for name in names)
        tell(
            f"{self.path} holds no checkpoint yet, so its recipe is replaced: {changes}. "
            f"{'Its examples stay.' if stays else 'Its examples are made anew.'}"
        )

    def settle_steps(self, steps: int) -> None:
        """Fix the number of steps, for the learning rate falls towards the last one."""
        self._write(RECIPE, {**(self.recipe or {}), STEPS: steps})

    def lock(self) -> Lock:
        """Keep other processes from training in this folder.

        Raises: OptionError if one does.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        return Lock(self.path / LOCK)

    def prepared(self, prepare: Callable[[Path], Mapping[str, Any]]) -> tuple[Path, dict[str, Any] | None]:
        """The folder of the examples, made by `prepare` unless they were before; and the figures, if it was made."""
        target = self.path / EXAMPLES
        if target.exists():
            return target, None
        for leftover in self.path.glob(f".{EXAMPLES}.*"):
            shutil.rmtree(leftover)
        draft = self.path / f".{EXAMPLES}.{os.getpid()}"
        draft.mkdir()
        try:
            figures = dict(prepare(draft))
            (draft / FIGURES).write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n", "utf-8")
            draft.replace(target)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return target, figures

    @property
    def figures(self) -> dict[str, Any] | None:
        """What came of making the examples; None if there are none."""
        return self._document(f"{EXAMPLES}/{FIGURES}", f"Delete {EXAMPLES}/.")

    def checkpoints(self) -> list[Path]:
        """The checkpoints, oldest first."""
        return sorted((self.path.resolve() / CHECKPOINTS).glob("step-*"))

    def checkpoint(self, step: int) -> Path:
        """Where the checkpoint after `step` lies, or would."""
        return self.path / CHECKPOINTS / f"step-{step:08d}"

    @property
    def best(self) -> Path | None:
        """The checkpoint that measured best; None if none was measured, or it is gone."""
        found = self.best_figure
        path = None if found is None else self.checkpoint(found["step"]).resolve()
        return path if path in self.checkpoints() else None

    @property
    def best_figure(self) -> dict[str, Any] | None:
        """`step`, `metric` and `value` of the best validation."""
        return self._document(BEST, "Delete it.")

    def note_best(self, step: int, metric: str, value: float) -> None:
        """Say that the checkpoint after `step`, which must be there, is the best."""
        self._write(BEST, {"step": step, "metric": metric, "value": value})

    def save(self, step: int, write: Callable[[Path], None], keep: int) -> Path:
        """Let `write` fill a checkpoint's folder; of older ones only the newest and the best stay, `keep` in all."""
        target = self.checkpoint(step)
        draft = target.with_name(f".{target.name}.{os.getpid()}")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        try:
            write(draft)
            draft.replace(target)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        self.tidy(keep)
        return target

    def newest_state(self) -> dict[str, Any] | None:
        """The training state of the newest checkpoint; None if there is none.

        Raises: CheckpointError if it cannot be read.
        """
        import torch

        found = self.checkpoints()
        if not found:
            return None
        try:
            state: dict[str, Any] = torch.load(found[-1] / STATE, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, UnpicklingError, EOFError):
            raise CheckpointError(
                f"{found[-1]} cannot be resumed: its {STATE} is missing or damaged. Delete it to resume an older one."
            ) from None
        return state

    def tidy(self, keep: int) -> None:
        """Remove all checkpoints but the newest `keep` and the best, and what a kill left half done."""
        best = self.best
        for old in self.checkpoints()[:-keep]:
            if old != best:
                # Half removed it would still look like a checkpoint.
                old.replace(old.with_name(f".{old.name}.removed"))
        for leftover in (self.path / CHECKPOINTS).glob(".step-*"):
            shutil.rmtree(leftover)

    def _document(self, name: str, remedy: str) -> dict[str, Any] | None:
        try:
            document = json.loads((self.path / name).read_text("utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except ValueError as fault:
            raise CheckpointError(f"{self.path / name} cannot be read: {fault}. {remedy}") from None
        if not isinstance(document, dict):
            raise CheckpointError(f"{self.path / name} cannot be read: it is no object. {remedy}")
        return document

    def _write(self, name: str, document: Mapping[str, Any]) -> None:
        write_whole(self.path / name, json.dumps(document, indent=2, ensure_ascii=False) + "\n")


class Lock:
    """A file that one process holds; the system lets go of it when the process ends, however it does.

    Where there are no such locks (Windows) nobody is kept out.
    Raises: OptionError if another process holds it, with the number of that.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        self._release = weakref.finalize(self, os.close, self._file)
        try:
            import fcntl
        except ImportError:
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(self._file, 32).decode(errors="replace").strip() or "unknown"
            self._release()
            raise OptionError(
                f"{path.parent} must not be trained in twice at once, but process {holder} does. "
                "Wait for it, stop it, or choose another run folder."
            ) from None
        os.ftruncate(self._file, 0)
        os.write(self._file, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Let others train."""
        self._release()
