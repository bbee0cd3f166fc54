"""What every TensorFlow model of the family can do besides computing, put together from a file for each role."""

from __future__ import annotations

from typing import Any, ClassVar

import keras

from bartleby.backends.auto_class import register_own
from bartleby.backends.keras.exporting import Exporting
from bartleby.backends.keras.saving import Saving
from bartleby.generation.config import GenerationConfig


class TFPreTrainedModel(Saving, Exporting, keras.Model):
    """Base of all models."""

    base_model_prefix = "model"
    main_input_name = "input_ids"
    framework = "tf"
    generation_config_class: ClassVar[type[GenerationConfig]] = GenerationConfig

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__module__.startswith("bartleby."):  # so that Keras loads its own files of it
            keras.saving.register_keras_serializable("bartleby")(cls)

    @classmethod
    def register_for_auto_class(cls, auto_class: str | type = "TFAutoModel") -> None:
        """Let an auto class hand out this class, one of your own, for configs of its `config_class`.

        Raises: OptionError if there is no such auto class.
        """
        from bartleby.backends.keras import auto  # which imports the models

        register_own(cls, auto_class, auto)
