"""A model so small that it learns 64 examples by heart in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bartleby.measure.metrics import METRICS
from bartleby.training.recipes.recipe import DataOptions, ModelOptions, Recipe, Setup
from bartleby.training.settings import TrainingOptions
from bartleby.training.trainer import Trainer

EXAMPLES = 64
CHANGES = (
    "d_model=32",
    "encoder_layers=1",
    "decoder_layers=1",
    "encoder_attention_heads=2",
    "decoder_attention_heads=2",
    "encoder_ffn_dim=64",
    "decoder_ffn_dim=64",
    "max_position_embeddings=128",
    "dropout=0.0",
    "init_std=0.1",
)
"""Weights drawn as widely as in large models (0.02 at a width of 1024), or attention takes long to find its way."""


def tiny_recipe(kind: type[Recipe], data: Path, model: dict[str, Any] | None = None, **others: Any) -> Recipe:
    """A recipe for a tiny model on the corpora in `data`; `others` are the data's options or the recipe's own."""
    of_data = {name: others.pop(name) for name in list(others) if name in DataOptions.__dataclass_fields__}
    return kind(
        options=kind.own(**others),
        model=ModelOptions(**{"change": CHANGES, "vocab_size": 350, **(model or {})}),
        data=DataOptions(data=data, batch_tokens=of_data.pop("batch_tokens", 600), **of_data),
    )


def prepared(recipe: Recipe, folder: Path) -> tuple[Setup, dict[str, Any], list[str]]:
    """What the recipe trains with, its figures and what it told."""
    folder.mkdir(parents=True, exist_ok=True)
    told: list[str] = []
    figures = recipe.prepare(folder, told.append)
    return recipe.setup(folder), figures, told


def measures(recipe: Recipe, found: dict[str, float]) -> bool:
    """Whether a validation found the metrics that the recipe names, and no others."""
    return set(METRICS) & set(found) == set(recipe.measured)


def learnt_by_heart(setup: Setup, steps: int, learning_rate: float = 1e-2) -> float:
    """The loss of the last of so many steps."""
    options = TrainingOptions(
        steps=steps, optimizer="adamw", learning_rate=learning_rate, weight_decay=0.0, warmup_steps=5, precision="no"
    )
    losses = [report.loss for report in Trainer(setup.objective, setup.batches.from_number, options).run()]
    return sum(losses[-3:]) / 3
