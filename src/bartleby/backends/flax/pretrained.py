"""What every Flax model of the family can do besides computing, put together from a file for each role."""

from __future__ import annotations

from typing import ClassVar

from bartleby.backends.auto_class import register_own
from bartleby.backends.flax.casting import Casting
from bartleby.backends.flax.saving import Saving
from bartleby.generation.config import GenerationConfig


class FlaxPreTrainedModel(Saving, Casting):
    """Base of all models."""

    base_model_prefix = "model"
    main_input_name = "input_ids"
    framework = "flax"
    generation_config_class: ClassVar[type[GenerationConfig]] = GenerationConfig

    @classmethod
    def register_for_auto_class(cls, auto_class: str | type = "FlaxAutoModel") -> None:
        """Let an auto class hand out this class, one of your own, for configs of its `config_class`.

        Raises: OptionError if there is no such auto class.
        """
        from bartleby.backends.flax import auto  # which imports the models

        register_own(cls, auto_class, auto)
