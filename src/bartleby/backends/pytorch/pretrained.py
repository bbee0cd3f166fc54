"""What every PyTorch model of the family can do besides computing, put together from a file for each role."""

from __future__ import annotations

from typing import ClassVar

from bartleby.backends.auto_class import register_own
from bartleby.backends.pytorch.loading.loading import Loading
from bartleby.backends.pytorch.published_masks import PublishedMasks
from bartleby.backends.pytorch.resizing import Resizing
from bartleby.backends.pytorch.saving import Saving
from bartleby.backends.pytorch.sizes import Sizes
from bartleby.generation.config import GenerationConfig


class PreTrainedModel(Loading, Saving, Resizing, Sizes, PublishedMasks):
    """Base of all models."""

    base_model_prefix = "model"
    main_input_name = "input_ids"
    framework = "pt"
    generation_config_class: ClassVar[type[GenerationConfig]] = GenerationConfig
    _keys_to_ignore_on_load_missing: ClassVar[list[str]] = []
    _keys_to_ignore_on_save: ClassVar[list[str] | None] = None

    @classmethod
    def can_generate(cls) -> bool:
        """Whether it has `generate` and options for it."""
        return False

    @classmethod
    def register_for_auto_class(cls, auto_class: str | type = "AutoModel") -> None:
        """Let an auto class hand out this class, one of your own, for configs of its `config_class`.

        Raises: OptionError if there is no such auto class.
        """
        from bartleby.backends.pytorch import auto  # which imports the models

        register_own(cls, auto_class, auto)
