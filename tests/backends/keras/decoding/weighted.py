"""TensorFlow models that hold given weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bartleby.backends.keras import models
from bartleby.family.config import PreTrainedConfig
from bartleby.family.parameters import parameter_table

PREFIXES = {"bart": "TFBart", "blenderbot": "TFBlenderbot", "blenderbot-small": "TFBlenderbotSmall"}


def model_of(
    weights: Mapping[str, np.ndarray], config: PreTrainedConfig, head: str = "ForConditionalGeneration"
) -> Any:
    """The model of this configuration and head, with these canonical weights."""
    model = getattr(models, f"{PREFIXES[config.model_type]}{head}")(config)
    kinds = {parameter.name: parameter.kind for parameter in parameter_table(config, model.table_head)}
    for name, variable in model.variables_by_name().items():
        turned = kinds[name] == "linear" and name.endswith("weight")
        variable.assign(weights[name].T if turned else weights[name])
    return model
