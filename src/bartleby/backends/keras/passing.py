"""What is passed on: from a caller to the stacks, from one step of decoding to the next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras import ops

from bartleby.backends.keras.layers import LayerCache
from bartleby.backends.keras.outputs import TFBaseModelOutput
from bartleby.backends.keras.portable import dtype_of, is_whole, rank_of
from bartleby.errors import ConfigError, ShapeError, VocabularyError
from bartleby.family.masks import IGNORED_LABEL

Tensor = Any


def shift_tokens_right(input_ids: Tensor, pad_token_id: int | None, decoder_start_token_id: int | None) -> Tensor:
    """Teacher-forcing input: ids moved one place right, behind the start token; (b, t) -> (b, t), -100 becomes pad."""
    if pad_token_id is None or decoder_start_token_id is None:
        raise ConfigError(
            "Moving labels right needs `pad_token_id` and `decoder_start_token_id`; the config lacks one."
        )
    ids = ops.convert_to_tensor(input_ids)
    if rank_of(ids) not in (2, None):
        raise ShapeError(f"Ids to move right must have 2 axes (batch, length), but have shape {tuple(ids.shape)}.")
    if not is_whole(ids):
        raise VocabularyError(f"Ids to move right must be whole numbers, but are {dtype_of(ids)}.")
    start = ops.full((ops.shape(ids)[0], 1), decoder_start_token_id, dtype_of(ids))
    shifted = ops.concatenate([start, ids[:, :-1]], axis=1)
    return ops.where(ops.equal(shifted, IGNORED_LABEL), ops.convert_to_tensor(pad_token_id, dtype_of(ids)), shifted)


def encoder_output(given: Any) -> TFBaseModelOutput:
    """What a caller passes as `encoder_outputs`: an output of any library, a dict of its fields, or a tuple of them.

    Raises: ShapeError if it is nothing of the kind.
    """
    if isinstance(given, TFBaseModelOutput):
        return given
    if isinstance(given, tuple | list) and given:
        return TFBaseModelOutput(*given[:3])
    names = ("last_hidden_state", "hidden_states", "attentions")
    found = {name: given.get(name) if isinstance(given, Mapping) else getattr(given, name, None) for name in names}
    if found["last_hidden_state"] is None:
        raise ShapeError(
            "`encoder_outputs` must be what an encoder gave, or a tuple that begins with its states, but is "
            f"{type(given).__name__}. Arguments behind the masks are best passed by name."
        )
    return TFBaseModelOutput(**found)


def reordered(cache: tuple[LayerCache, ...], rows: Tensor) -> tuple[LayerCache, ...]:
    """Row i becomes what row `rows[i]` was; beams of a source read the same source, which stays."""
    return tuple(
        layer._replace(keys=ops.take(layer.keys, rows, axis=0), values=ops.take(layer.values, rows, axis=0))
        for layer in cache
    )


def new_ids(ids: Tensor, past_key_values: Any) -> Tensor:
    """The ids that a past does not hold; only the last where there is one."""
    return ids if past_key_values is None else ids[:, -1:]


def next_places(ids: Tensor, past_key_values: Any, attention_mask: Tensor | None) -> Tensor:
    """Where the new tokens stand, (), (t) or (b, 1): behind those the mask counts, else behind those the past has."""
    if attention_mask is not None:
        return ops.cumsum(attention_mask, axis=-1)[:, -1:] - attention_mask[:, -1:]
    return ops.arange(ids.shape[1], dtype="int32") if past_key_values is None else past_key_values[0][0].shape[2]
