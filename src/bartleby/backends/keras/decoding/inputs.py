"""From what a caller gives `generate` to the tensors that a compiled search takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from keras import ops

from bartleby.backends.keras.passing import encoder_output
from bartleby.errors import LengthError, OptionError, ShapeError, VocabularyError, raise_all
from bartleby.family.config import PreTrainedConfig
from bartleby.generation.compiled.rules import reads_sources
from bartleby.generation.config import GenerationConfig
from bartleby.generation.resolution import eos_ids, start_id

Tensor = Any

OF_ENCODER_DECODER = (
    "input_ids",
    "attention_mask",
    "inputs_embeds",
    "head_mask",
    "encoder_outputs",
    "decoder_input_ids",
    "decoder_attention_mask",
)
OF_DECODER = ("input_ids", "attention_mask", "encoder_hidden_states", "encoder_attention_mask")
NOT_TAKEN = {
    "decoder_head_mask": "a step of a compiled search has no head masks; call the model itself",
    "cross_attn_head_mask": "a step of a compiled search has no head masks; call the model itself",
    "past_key_values": "a compiled search begins with an empty cache; pass the whole prompt",
    "decoder_inputs_embeds": "the rules need ids; pass `decoder_input_ids`",
    "decoder_position_ids": "what is written stands where it is written",
    "position_ids": "what is written stands where it is written",
}
"""What models take and `generate` does not."""


class Prepared(NamedTuple):
    """What a search writes from. Masks are None where nothing can be hidden."""

    prompts: Tensor
    """(b, t), the start token included."""
    prompt_mask: Tensor | None = None
    sources: Tensor | None = None
    """Ids (b, s) that the rules about the source read: a decoder alone has its prompts for a source."""
    source_mask: Tensor | None = None
    """(b, s), of `sources` and `states`."""
    states: Tensor | None = None
    """(b, s, d), where the sources are encoded."""


def from_nothing(given: Mapping[str, Any], options: GenerationConfig) -> dict[str, Any]:
    """The inputs, with bos for a source, or for the prompt of a decoder alone, where none is given, as published.

    Raises: OptionError if there is no bos.
    """
    if {"input_ids", "inputs_embeds", "encoder_outputs"} & given.keys():
        return dict(given)
    if options.bos_token_id is None:
        raise OptionError(
            "`input_ids`, `inputs_embeds` or `encoder_outputs` must be given where `bos_token_id` is None, but none is."
        )
    return {**given, "input_ids": tf.fill([1, 1], options.bos_token_id)}


def prepare(
    given: Mapping[str, Any], states: Tensor | None, options: GenerationConfig, config: PreTrainedConfig
) -> Prepared:
    """Check what is given, and put prompts together; `states` are those of the sources, where they are encoded.

    Raises: ShapeError, VocabularyError, LengthError or OptionError, where the numbers can be looked at.
    """
    named = {name: value for name, value in given.items() if value is not None}
    if reads_sources(options) and (named.get("input_ids") is None or "encoder_hidden_states" in named):
        raise OptionError(
            "`encoder_no_repeat_ngram_size` and `encoder_repetition_penalty` read the ids of the sources. "
            "Pass `input_ids` as well, or set them to 0 and 1."
        )
    return (_of_pair if config.is_encoder_decoder else _of_decoder)(named, states, options, config)


def _of_pair(
    given: Mapping[str, Any], states: Tensor | None, options: GenerationConfig, config: PreTrainedConfig
) -> Prepared:
    ids = checked_ids("input_ids", given.get("input_ids"), config)
    source = ids if states is None else states
    assert source is not None, "see from_nothing"
    mask = source_mask(checked_mask("attention_mask", given.get("attention_mask"), source), ids, options)
    count = ops.shape(source)[0]
    start = tf.fill([count, 1], start_id(options))
    prompts = checked_ids("decoder_input_ids", given.get("decoder_input_ids"), config)
    if prompts is None:
        return Prepared(start, None, ids, mask, states)
    if isinstance(count, int) and prompts.shape[0] not in (None, count):
        raise ShapeError(f"`decoder_input_ids` must have a row for each of {count} sources, but has {len(prompts)}.")
    seen = checked_mask("decoder_attention_mask", given.get("decoder_attention_mask"), prompts)
    check_ends("decoder_attention_mask", seen)
    if is_known(prompts) and (seen is None or is_known(seen)):
        places = np.zeros(len(prompts), dtype=int) if seen is None else seen.numpy().argmax(axis=1)
        if (prompts.numpy()[np.arange(len(prompts)), places] != start_id(options)).all():
            prompts = tf.concat([start, prompts], axis=1)
            seen = None if seen is None else tf.concat([tf.ones_like(seen[:, :1]), seen], axis=1)
    return Prepared(prompts, seen, ids, mask, states)


def _of_decoder(
    given: Mapping[str, Any], states: Tensor | None, options: GenerationConfig, config: PreTrainedConfig
) -> Prepared:
    """A decoder alone goes on with its input."""
    ids = checked_ids("input_ids", given.get("input_ids"), config)
    assert ids is not None, "see from_nothing"
    mask = source_mask(checked_mask("attention_mask", given.get("attention_mask"), ids), ids, options)
    check_ends("attention_mask", mask)
    if given.get("encoder_hidden_states") is None:
        return Prepared(ids, mask, ids, mask)
    states = tf.convert_to_tensor(given["encoder_hidden_states"])
    seen = checked_mask("encoder_attention_mask", given.get("encoder_attention_mask"), states)
    return Prepared(ids, mask, None, seen, states)


def given_states(given: Mapping[str, Any]) -> Tensor | None:
    """The states of the sources, where the caller has encoded them."""
    outputs = given.get("encoder_outputs")
    return None if outputs is None else tf.convert_to_tensor(encoder_output(outputs).last_hidden_state)


def refuse_not_taken(kwargs: Mapping[str, Any]) -> None:
    """Raises: OptionError for inputs of the model that `generate` cannot pass on."""
    faults = [f"`{name}` must be None: {why}." for name, why in NOT_TAKEN.items() if kwargs.get(name) is not None]
    raise_all(OptionError, faults, "generate")


def checked_ids(name: str, given: Any, config: PreTrainedConfig) -> Tensor | None:
    """Ids (b, t).

    Raises: ShapeError, VocabularyError or LengthError if the model cannot read them.
    """
    if given is None:
        return None
    try:
        ids = tf.convert_to_tensor(given)
    except (TypeError, ValueError) as error:
        raise ShapeError(
            f"`{name}` must be a tensor, an array or rows of equal length, but is a {type(given).__name__} that "
            "is none. Pad the rows; pass the entries of a dict by name, with `**`."
        ) from error
    if ids.shape.rank not in (None, 2) or 0 in ids.shape:
        raise ShapeError(f"`{name}` must have 2 axes (batch, length), but has shape {tuple(ids.shape)}.")
    if not (ids.dtype.is_integer or ids.dtype == tf.bool):
        raise VocabularyError(f"`{name}` must hold whole numbers, but is {ids.dtype.name}. Use the tokenizer's ids.")
    if ids.shape[1] is not None and ids.shape[1] > config.max_position_embeddings:
        raise LengthError(
            f"`{name}` has {ids.shape[1]} tokens, but this model has {config.max_position_embeddings} positions. "
            "Truncate it or split it into chunks."
        )
    if is_known(ids) and len(ids):
        lowest, highest = int(tf.reduce_min(ids)), int(tf.reduce_max(ids))
        if lowest < 0 or highest >= config.vocab_size:
            raise VocabularyError(
                f"`{name}` must hold ids from 0 to {config.vocab_size - 1}, the rows of the embedding table, but "
                f"holds {lowest if lowest < 0 else highest}. Use the tokenizer of this checkpoint."
            )
    return tf.cast(ids, tf.int32)


def checked_mask(name: str, given: Any, masked: Tensor) -> Tensor | None:
    """A mask (b, t) of `masked`.

    Raises: ShapeError if it has another shape.
    """
    if given is None:
        return None
    mask = tf.convert_to_tensor(given)
    if not mask.shape.is_compatible_with(masked.shape[:2]):
        wanted = tuple(masked.shape[:2])
        raise ShapeError(f"`{name}` must have the shape of what it masks, {wanted}, but has {tuple(mask.shape)}.")
    return tf.cast(mask, tf.int32)


def source_mask(mask: Tensor | None, ids: Tensor | None, options: GenerationConfig) -> Tensor | None:
    """The mask given, or one that hides pad tokens where those do not also end sequences."""
    pad = options.pad_token_id
    if mask is None and ids is not None and pad is not None and pad not in eos_ids(options):
        return tf.cast(ids != pad, tf.int32)
    return mask


def check_ends(name: str, mask: Tensor | None) -> None:
    """Raises: ShapeError if a prompt ends in padding: what is written side by side starts at one place."""
    if mask is not None and is_known(mask) and not bool(tf.reduce_all(mask[:, -1] != 0)):
        raise ShapeError(f"`{name}` must not hide the last token of a prompt, but does. Pad prompts on the left.")


def is_known(tensor: Tensor) -> bool:
    """Whether the numbers can be looked at: not while a graph is made."""
    return isinstance(tensor, tf.__internal__.EagerTensor)
