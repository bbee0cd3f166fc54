"""What to decode with, once a checkpoint and its caller have both spoken, and what that comes to."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from bartleby.errors import OptionError, raise_all
from bartleby.generation.config import GenerationConfig
from bartleby.generation.faults import contradictions, idle, value_faults
from bartleby.generation.options import DEFAULTS, listed, unknown_option


def resolve_options(defaults: GenerationConfig, overrides: Mapping[str, Any]) -> GenerationConfig:
    """What to decode with when a checkpoint says `defaults` and its caller `overrides`: the caller's word comes first.

    Of two ways to say a length the caller's beats the checkpoint's; of two by the caller, "new" tokens decide, with a
    warning. A minimum of the checkpoint yields to a shorter maximum of the caller, which comes to the same ids.
    Raises: OptionError that lists all options that are unknown, cannot be, or contradict each other.
    """
    given = {name for name, value in overrides.items() if value is not None}
    options = copy.deepcopy(defaults)
    for total, new in (("max_length", "max_new_tokens"), ("min_length", "min_new_tokens")):
        if total in given and new not in given:
            setattr(options, new, None)
    faults = [unknown_option(name) for name in overrides if name not in DEFAULTS]
    options._set(overrides)
    faults += value_faults(options)
    if not faults:
        if not given & {"min_length", "min_new_tokens"}:
            _let_minimum_yield(options)
        faults += contradictions(options)
    raise_all(OptionError, faults, "GenerationConfig")
    for warning in _without_effect(options, given):
        warnings.warn(warning, UserWarning, stacklevel=2)
    return options


def _let_minimum_yield(options: GenerationConfig) -> None:
    if options.max_new_tokens is None:
        options.min_length = min(options.min_length, options.max_length)
    elif options.min_new_tokens is not None:
        options.min_new_tokens = min(options.min_new_tokens, options.max_new_tokens)


def length_bounds(options: GenerationConfig, prompt_length: int) -> tuple[int, int]:
    """The least and the greatest length of the decoder side, for a prompt of `prompt_length` (the start token is 1).

    Raises: OptionError if the prompt leaves no room to write.
    """
    least, greatest = options.min_length, options.max_length
    if options.min_new_tokens is not None:
        least = prompt_length + options.min_new_tokens
    if options.max_new_tokens is not None:
        greatest = prompt_length + options.max_new_tokens
    if prompt_length >= greatest:
        raise OptionError(
            f"`max_length` must be more than the {prompt_length} tokens of the decoder's prompt, but is {greatest}. "
            "Raise it, or set `max_new_tokens`, which does not count the prompt."
        )
    return min(least, greatest), greatest


def eos_ids(options: GenerationConfig) -> tuple[int, ...]:
    """Every token that ends a sequence; -1 is the published way to say that none does."""
    return tuple(token for token in listed(options.eos_token_id) if token >= 0)


def start_id(options: GenerationConfig) -> int:
    """The token every decoder side begins with: decoder_start_token_id, or bos_token_id where there is none.

    Raises: OptionError if neither is set.
    """
    start = options.bos_token_id if options.decoder_start_token_id is None else options.decoder_start_token_id
    if start is None:
        raise OptionError("`decoder_start_token_id` must be a token id, but is None. Set it or `bos_token_id`.")
    return start


def _without_effect(options: GenerationConfig, given: set[str]) -> Iterator[str]:
    if {"max_length", "max_new_tokens"} <= given:
        yield "Both `max_length` and `max_new_tokens` are set: `max_new_tokens` decides."
    if {"min_length", "min_new_tokens"} <= given:
        yield "Both `min_length` and `min_new_tokens` are set: `min_new_tokens` decides."
    yield from idle(options, given).values()
