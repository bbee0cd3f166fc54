"""A run's folder: its recipe, its figures a line a step, and checkpoints that a kill at any moment cannot spoil.

RUN/recipe.json · RUN/metrics.jsonl · RUN/checkpoints/step-00001200/{model in the published layout, training_state.pt}
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from bartleby.backends.pytorch.heads import ConditionalGeneration
from bartleby.errors import CheckpointError, OptionError, raise_all
from bartleby.tokenization.base import PreTrainedTokenizer
from bartleby.training.trainer import Trainer

RUNS = Path.home() / ".cache" / "bartleby" / "runs"
CHECKPOINTS_KEPT = 2
STATE = "training_state.pt"


class RunFolder:
    """Where one run leaves what it made. Made anew, or taken up again if its recipe is the same.

    Raises: OptionError naming every field in which the recipe differs from that of the run already there.
    """

    def __init__(self, path: Path, recipe: Mapping[str, Any]) -> None:
        self.path = path
        self.recipe: dict[str, Any] = json.loads(json.dumps(recipe))  # as it will be read back: tuples become lists
        path.mkdir(parents=True, exist_ok=True)
        known = path / "recipe.json"
        if known.exists():
            earlier = json.loads(known.read_text("utf-8"))
            faults = [
                f"`{name}` is {self.recipe.get(name)!r}, but the run was started with {earlier.get(name)!r}."
                for name in sorted(earlier.keys() | self.recipe.keys())
                if earlier.get(name) != self.recipe.get(name)
            ]
            subject = f"{path} (go on with its own recipe, or choose another run folder)"
            raise_all(OptionError, faults, subject)
        else:
            write_text(known, json.dumps(self.recipe, indent=2, ensure_ascii=False) + "\n")

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    def log(self, figures: Mapping[str, Any]) -> None:
        """Append one line of figures."""
        with self.metrics.open("a", encoding="utf-8") as file:
            file.write(json.dumps(dict(figures)) + "\n")

    def figures(self) -> list[dict[str, Any]]:
        """The lines logged so far; one that a kill cut short is left out."""
        lines = self.metrics.read_text("utf-8").splitlines(keepends=True) if self.metrics.exists() else []
        return [json.loads(line) for line in lines if line.endswith("}\n")]

    def checkpoints(self) -> list[Path]:
        """The checkpoints, oldest first."""
        return sorted((self.path / "checkpoints").glob("step-*"))

    def save(self, trainer: Trainer, model: ConditionalGeneration, tokenizer: PreTrainedTokenizer) -> Path:
        """Write a checkpoint under a temporary name, rename it, and remove all but the newest ones."""
        target = self.path / "checkpoints" / f"step-{trainer.step:08d}"
        draft = target.with_name(f".{target.name}.{os.getpid()}")
        if target.exists():
            return target
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        try:
            model.save_pretrained(draft)
            tokenizer.save_pretrained(draft)
            torch.save(trainer.state(), draft / STATE)
            draft.replace(target)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        for old in self.checkpoints()[:-CHECKPOINTS_KEPT]:
            shutil.rmtree(old)
        return target

    def restore(self, trainer: Trainer, model: ConditionalGeneration) -> bool:
        """Put the newest checkpoint back into `model` and `trainer`; False if there is none."""
        found = self.checkpoints()
        if not found:
            return False
        try:
            state = torch.load(found[-1] / STATE, weights_only=True)
        except OSError as fault:
            raise CheckpointError(
                f"{found[-1]} cannot be resumed: {fault}. Delete it to go on from an older one."
            ) from None
        model.load_state_dict(type(model).from_pretrained(found[-1]).state_dict())
        trainer.restore(state)
        return True


def write_text(path: Path, text: str) -> None:
    """Write a file, first under a temporary name."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
