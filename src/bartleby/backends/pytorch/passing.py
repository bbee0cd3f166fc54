"""What is passed on: from a caller to the stacks, from the stacks to a head, from one step of decoding to the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bartleby.backends.pytorch.cache import is_cache
from bartleby.backends.pytorch.model import logger
from bartleby.backends.pytorch.outputs import BaseModelOutput, ModelOutput
from bartleby.errors import ConfigError, ShapeError

IGNORED_LABEL = -100


def shift_tokens_right(input_ids: Tensor, pad_token_id: int | None, decoder_start_token_id: int | None) -> Tensor:
    """Teacher-forcing input: ids moved one place right, behind the start token; (b, t) -> (b, t), -100 becomes pad."""
    if pad_token_id is None or decoder_start_token_id is None:
        raise ConfigError(
            "Moving labels right needs `pad_token_id` and `decoder_start_token_id`; the config lacks one."
        )
    start = torch.full_like(input_ids[:, :1], decoder_start_token_id)
    shifted = torch.cat([start, input_ids[:, :-1]], dim=1)
    return shifted.masked_fill(shifted == IGNORED_LABEL, pad_token_id)


def encoder_output(given: Any) -> BaseModelOutput:
    """What a caller passes as `encoder_outputs`: an output of any library, a dict of its fields, or a tuple of them.

    Raises: ShapeError if it is nothing of the kind.
    """
    if isinstance(given, BaseModelOutput):
        return given
    if isinstance(given, tuple | list) and given:
        return BaseModelOutput(*given[:3])
    names = ("last_hidden_state", "hidden_states", "attentions")
    found = {name: given.get(name) if isinstance(given, Mapping) else getattr(given, name, None) for name in names}
    if found["last_hidden_state"] is None:
        raise ShapeError(
            "`encoder_outputs` must be what an encoder gave, or a tuple that begins with its states, but is "
            f"{type(given).__name__}. Arguments behind the masks are best passed by name."
        )
    return BaseModelOutput(**found)


def without_cache(use_cache: bool | None) -> bool:
    """A pass that is taught keeps no cache; who asked for one is told."""
    if use_cache:
        logger.warning("`use_cache` is off: a pass with labels keeps no cache.")
    return False


def rest_of(outputs: ModelOutput) -> dict[str, Any]:
    """What a head passes on from the output it stands on."""
    return {name: value for name, value in outputs.items() if name != "last_hidden_state"}


def kept(hidden: Tensor, logits_to_keep: int | Tensor) -> Tensor:
    """The states to be scored: the last `logits_to_keep` (0 is all), or those at these places; (b, t, d)."""
    places = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
    return hidden[:, places]


def tie_output(projection: nn.Module, table: nn.Module) -> None:
    """Make the weights of an output projection those of a table of tokens."""
    projection.weight = table.weight
    if isinstance(projection, nn.Linear):
        projection.out_features = projection.weight.shape[0]


def new_ids(ids: Tensor, past_key_values: Any, count: int | None) -> Tensor:
    """The last `count` ids, or those that a cache does not hold; only the last where it holds as many as there are."""
    if count is None and past_key_values is None:
        return ids
    if count is None:
        past = past_key_values.get_seq_length() if is_cache(past_key_values) else past_key_values[0][0].shape[2]
        count = max(1, ids.shape[1] - int(past))
    return ids[:, -count:]


def reordered(tensors: Sequence[Tensor], beam_idx: Tensor) -> tuple[Tensor, ...]:
    """Row i becomes what row `beam_idx[i]` was."""
    return tuple(tensor.index_select(0, beam_idx.to(tensor.device)) for tensor in tensors)
