"""Decoding options set on a model's config after its decoding options were made of it.

Scripts of 4.37 say `model.config.max_length = 30` and then call `generate`. Release 5 refuses that; nobody ignores it.
"""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass
from typing import Any

from bartleby.generation.config import GenerationConfig
from bartleby.generation.options import DEFAULTS, METADATA

NOT_FOLLOWED = (*METADATA, "use_cache")
"""Trainers switch the cache off on the config, for passes of their own; it changes speed, and no ids."""


@dataclass(frozen=True)
class Beginning:
    """What options and config said when the options came to be those of a model."""

    options: GenerationConfig
    config: dict[str, Any]

    @classmethod
    def of(cls, options: GenerationConfig, model_config: Any) -> Beginning:
        return cls(copy.deepcopy(options), decoding_fields(model_config))

    def followed(self, options: GenerationConfig, model_config: Any) -> GenerationConfig:
        """`options` with what was set on the config since then, and a warning; what was set on both stays theirs."""
        now = decoding_fields(model_config)
        changed = {name: now.get(name) for name in {**self.config, **now} if now.get(name) != self.config.get(name)}
        taken = {
            name: value for name, value in changed.items() if getattr(options, name) == getattr(self.options, name)
        }
        if not taken:
            return options
        said = ", ".join(f"{name}={value!r}" for name, value in taken.items())
        warnings.warn(
            f"Decoding follows {said}, set on `model.config`. Set it on `model.generation_config`, or pass it.",
            UserWarning,
            stacklevel=2,
        )
        options = copy.deepcopy(options)
        options._set(taken)
        return options


def decoding_fields(model_config: Any) -> dict[str, Any]:
    """What a model's config says about decoding, by option."""
    fields = {name: getattr(model_config, name, None) for name in DEFAULTS if name not in NOT_FOLLOWED}
    return {name: copy.deepcopy(value) for name, value in fields.items() if value is not None}
