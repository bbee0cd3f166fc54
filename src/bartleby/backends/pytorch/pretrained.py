"""What every PyTorch model of the family can do besides computing: be initialised, tied, loaded and saved."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from bartleby.errors import ConfigError
from bartleby.family.config import PreTrainedConfig
from bartleby.family.parameters import Head


class PreTrainedModel(nn.Module):
    """Base of all models: `config_class` and `head` say which one a subclass is."""

    config_class: ClassVar[type[PreTrainedConfig]]
    head: ClassVar[Head]
    base_model_prefix = "model"
    main_input_name = "input_ids"

    def __init__(self, config: PreTrainedConfig) -> None:
        super().__init__()
        if not isinstance(config, self.config_class):
            raise ConfigError(
                f"{type(self).__name__} needs a {self.config_class.__name__}, but was given a {type(config).__name__}."
            )
        self.config = config

    def post_init(self) -> None:
        """Draw the weights and tie what is shared; called at the end of every constructor."""
        self.apply(self._init_weights)
        self.tie_weights()

    def _init_weights(self, module: nn.Module) -> None:
        std = self.config.init_std
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=std)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=std)
            if module.padding_idx is not None:
                with torch.no_grad():
                    module.weight[module.padding_idx].zero_()

    def tie_weights(self) -> None:
        """Make the tensors that the configuration ties one tensor; subclasses name them."""

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        return next(self.parameters()).dtype
