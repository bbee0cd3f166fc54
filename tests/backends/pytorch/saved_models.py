"""Every published model class, small models of them, and folders with some tensors changed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from bartleby.backends.pytorch import models
from bartleby.backends.pytorch.model import Model
from bartleby.checkpoints.folder import CheckpointFolder, save_folder
from bartleby.family.config import PreTrainedConfig
from tests.parity.random_models import random_config, seeded

ALL = [
    model
    for model in vars(models).values()
    if isinstance(model, type) and issubclass(model, Model) and "PreTrained" not in model.__name__
]


def config_of(model_class: Any, **changes: Any) -> PreTrainedConfig:
    config = random_config(seeded("pretrained"), model_class.config_class.model_type)
    return type(config).from_dict(config.to_dict(), **{"tie_word_embeddings": True, **changes})


def small(model_class: Any, **changes: Any) -> Any:
    """A model of random weights, dropout off."""
    return model_class(config_of(model_class, **changes)).eval()


def equal(one: Any, other: Any) -> bool:
    left, right = one.state_dict(), other.state_dict()
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def rewritten(folder: Path, model: Any, drop: tuple[str, ...] = (), put: Mapping[str, Any] | None = None) -> Path:
    """The model saved with some tensors left out or put in another's place."""
    model.save_pretrained(folder / "whole")
    with CheckpointFolder.open(folder / "whole") as whole:
        weights = {name: whole.weights.tensor(name) for name in whole.weights.names() if name not in drop}
        save_folder(folder / "changed", config=whole.config, generation_config=None, weights={**weights, **(put or {})})
    return folder / "changed"
