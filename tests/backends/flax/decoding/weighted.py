"""Flax models that hold given weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from flax.traverse_util import unflatten_dict

from bartleby.backends.flax import models
from bartleby.checkpoints.layouts import is_turned, to_flax
from bartleby.family.config import PreTrainedConfig

PREFIXES = {"bart": "FlaxBart", "blenderbot": "FlaxBlenderbot", "blenderbot-small": "FlaxBlenderbotSmall"}


def model_of(
    weights: Mapping[str, np.ndarray], config: PreTrainedConfig, head: str = "ForConditionalGeneration"
) -> Any:
    """The model of this configuration and head, with these canonical weights."""
    model = getattr(models, f"{PREFIXES[config.model_type]}{head}")(config)
    named = {to_flax(name): array for name, array in weights.items()}
    flat = {tuple(name.split("/")): array.T if is_turned(name) else array for name, array in named.items()}
    model.params = unflatten_dict({path: array for path, array in flat.items() if path in model.required_params})
    return model
