"""What every PyTorch model of the family can do besides computing, put together from a file for each role."""

from __future__ import annotations

import logging
from typing import ClassVar

from torch import Tensor

from bartleby.backends.pytorch.loading.loading import Loading
from bartleby.backends.pytorch.loading.options import ATTENTION, attention_fault
from bartleby.backends.pytorch.published_masks import PublishedMasks
from bartleby.backends.pytorch.resizing import Resizing
from bartleby.backends.pytorch.saving import Saving
from bartleby.backends.pytorch.sizes import Sizes
from bartleby.errors import OptionError
from bartleby.generation.config import GenerationConfig

logger = logging.getLogger(__name__)


class PreTrainedModel(Loading, Saving, Resizing, Sizes, PublishedMasks):
    """Base of all models."""

    base_model_prefix = "model"
    main_input_name = "input_ids"
    framework = "pt"
    generation_config_class: ClassVar[type[GenerationConfig]] = GenerationConfig
    _keys_to_ignore_on_load_missing: ClassVar[list[str]] = []
    _keys_to_ignore_on_save: ClassVar[list[str] | None] = None
    _has_warned_of_padding = False

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

        name = auto_class if isinstance(auto_class, str) else auto_class.__name__
        door = getattr(auto, name, None)
        if not isinstance(door, type) or not issubclass(door, auto.AutoClass):
            raise OptionError(f"`auto_class` must name an auto class such as 'AutoModel', but is {name!r}.")
        door.register(cls.config_class, cls, exist_ok=True)

    def set_attn_implementation(self, attn_implementation: str | None) -> None:
        """Accept the published names of what is done anyway, see `loading.options.ATTENTION`.

        Raises: OptionError for all others.
        """
        if attn_implementation not in ATTENTION:
            raise OptionError(attention_fault(attn_implementation))

    def warn_if_padding_and_no_attention_mask(self, input_ids: Tensor, attention_mask: Tensor | None) -> None:
        """Say once that ids with pads at an end were given without a mask: the pads would count as text."""
        pad = self.config.pad_token_id
        if attention_mask is not None or pad is None or self._has_warned_of_padding:
            return
        if bool((input_ids[:, [0, -1]] == pad).any()):
            self._has_warned_of_padding = True
            logger.warning("The ids hold pads (id %s), but no `attention_mask` hides them. Pass the tokenizer's.", pad)
