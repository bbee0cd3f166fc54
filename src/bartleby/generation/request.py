"""What a call of `generate` comes to: the options of the model, those of the call, and what to tell of both."""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping
from typing import Any

from bartleby.errors import LengthError
from bartleby.generation.config import GenerationConfig
from bartleby.generation.later import Implementation
from bartleby.generation.later_word import Beginning
from bartleby.generation.options import DEFAULTS
from bartleby.generation.resolution import length_bounds, resolve_options

logger = logging.getLogger(__name__)

SPECIAL_TOKENS = ("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id")


class DecodingOptions:
    """The decoding options of a model, of whichever framework, that has a `config`."""

    config: Any
    _generation_config: GenerationConfig | None = None
    _beginning: Beginning

    @classmethod
    def can_generate(cls) -> bool:
        return True

    @property
    def generation_config(self) -> GenerationConfig:
        """How to decode where the caller does not say; from the config until it is set."""
        if self._generation_config is None:
            self._keep_options(GenerationConfig.from_model_config(self.config))
        assert self._generation_config is not None
        return self._generation_config

    @generation_config.setter
    def generation_config(self, options: GenerationConfig) -> None:
        self._keep_options(options)

    def _keep_options(self, options: GenerationConfig) -> None:
        self._generation_config = GenerationConfig.of(options)
        self._beginning = Beginning.of(self._generation_config, self.config)

    def _resolved(
        self, implementation: Implementation, config: GenerationConfig | None, overrides: Mapping[str, Any]
    ) -> GenerationConfig:
        """What to decode with; a config of the caller's that leaves out special tokens gets those of the model.

        What was set on the model's config since its options were made of it counts, as in scripts of 4.37.
        Raises: OptionError for options that cannot be, or that the implementation does not carry out.
        """
        own = self.generation_config  # first: it makes the beginning
        own = self._beginning.followed(own, self.config)
        options = resolve_options(own if config is None else config, overrides)
        for name in SPECIAL_TOKENS:
            if getattr(options, name) is None:
                setattr(options, name, getattr(own, name))
        options.validate(implementation, self.config.vocab_size)
        return options


def tell_of_default_length(options: GenerationConfig, asked: Mapping[str, Any]) -> None:
    """Log that nobody said how long outputs may be: they end early for no reason in sight."""
    if options.max_new_tokens is None and options.max_length == DEFAULTS["max_length"] and "max_length" not in asked:
        logger.warning(
            "Outputs end at %s tokens, the default: neither the call nor the checkpoint says how long they may be. "
            "Set `max_new_tokens`.",
            options.max_length,
        )


def within_positions(options: GenerationConfig, prompt: int, most: int, unnamed: int = 0) -> GenerationConfig:
    """The options, ending outputs where the model's positions do: at `most` tokens, which is told.

    `prompt` is the length of the prompts; `unnamed` so many vectors before them have no ids, but positions.
    Raises: LengthError if a prompt or the least length of an output does not fit.
    """
    least, longest = length_bounds(options, prompt)
    room = most - unnamed
    if longest <= room:
        return options
    if prompt >= room or least > room:
        raise LengthError(
            f"The output must be at most {most} tokens long, its prompt included, as far as the positions of this "
            f"model reach, but would have at least {max(prompt + 1, least) + unnamed}. Shorten the prompt or "
            "lower `min_length`, or lengthen the model with resize_position_embeddings."
        )
    logger.warning(
        "Outputs could become %s tokens long, but end at %s, as far as the positions of this model reach. "
        "Lower `max_length` or `max_new_tokens`, or lengthen the model with resize_position_embeddings.",
        longest + unnamed,
        most,
    )
    options = copy.deepcopy(options)
    options.max_length, options.max_new_tokens = room, None
    options.min_length, options.min_new_tokens = least, None
    return options
