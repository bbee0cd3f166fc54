"""From what a caller gives `generate` to the arrays that a compiled search takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import jax.numpy as jnp
import numpy as np
from jax import Array

from bartleby.backends.flax import inputs
from bartleby.backends.flax.cache import Caches
from bartleby.errors import OptionError, ShapeError
from bartleby.family.config import PreTrainedConfig
from bartleby.generation.compiled.rules import reads_sources
from bartleby.generation.config import GenerationConfig
from bartleby.generation.resolution import eos_ids, start_id

OF_ENCODER_DECODER = (
    "attention_mask",
    "position_ids",
    "encoder_outputs",
    "decoder_input_ids",
    "decoder_attention_mask",
)
OF_DECODER = ("attention_mask", "encoder_hidden_states", "encoder_attention_mask")


class Prepared(NamedTuple):
    """What a search writes from. Masks are None where nothing can be hidden."""

    prompts: Array
    """(b, t), the start token included."""
    prompt_mask: Array | None = None
    sources: Array | None = None
    """Ids (b, s) that the rules about the source read: a decoder alone has its prompts for a source."""
    source_mask: Array | None = None
    """(b, s), of `sources` and `states`."""
    states: Array | None = None
    """(b, s, d), where the caller has encoded the sources."""


class WritingModel(Protocol):
    """What decoding asks of a model; `writing.py` has them."""

    @property
    def config(self) -> PreTrainedConfig: ...

    def encode_sources(self, params: Any, input_ids: Array, attention_mask: Array | None = None) -> Array | None:
        """The states of the sources, (b, s) -> (b, s, d); None of a decoder alone."""

    def start_cache(self, params: Any, states: Array | None, rows: int, length: int) -> Caches: ...

    def step(
        self,
        params: Any,
        ids: Array,
        start: Any,
        cache: Caches,
        source_mask: Array | None = None,
        prompt_mask: Array | None = None,
    ) -> tuple[Array, Caches]: ...

    def reorder_cache(self, cache: Caches, rows: Array) -> Caches: ...


def prepare_pair(
    input_ids: Any, given: Mapping[str, Any], states: Array | None, options: GenerationConfig, config: PreTrainedConfig
) -> Prepared:
    """For encoder and decoder; `states` are those of the sources, where the caller has encoded them.

    Raises: ShapeError, VocabularyError, LengthError or OptionError, where the numbers can be looked at.
    """
    ids = None if input_ids is None else inputs.token_ids("input_ids", input_ids, config)
    source = ids if states is None else states
    if source is None:
        raise ShapeError("`input_ids` or `encoder_outputs` must be given, but neither is.")
    if ids is None and reads_sources(options):
        raise OptionError(
            "`encoder_no_repeat_ngram_size` and `encoder_repetition_penalty` read the ids of the sources. "
            "Pass `input_ids` as well, or set them to 0 and 1."
        )
    mask = inputs.mask("attention_mask", given.get("attention_mask"), *source.shape[:2])
    prompts, prompt_mask = decoder_prompts(given, options, config, source.shape[0])
    return Prepared(prompts, prompt_mask, ids, source_mask(mask, ids, options), states)


def prepare_decoder(
    input_ids: Any, given: Mapping[str, Any], options: GenerationConfig, config: PreTrainedConfig
) -> Prepared:
    """For a decoder alone, which goes on with its input.

    Raises: as `prepare_pair`.
    """
    ids = inputs.token_ids("input_ids", input_ids, config)
    mask = source_mask(inputs.mask("attention_mask", given.get("attention_mask"), *ids.shape), ids, options)
    check_ends("attention_mask", mask)
    if given.get("encoder_hidden_states") is None:
        return Prepared(ids, mask, ids, mask)
    if reads_sources(options):
        raise OptionError("A rule about the source needs its ids, but only encoder states are given.")
    states = inputs.encoder_states((given["encoder_hidden_states"],))
    seen = inputs.mask("encoder_attention_mask", given.get("encoder_attention_mask"), *states.shape[:2])
    return Prepared(ids, mask, None, seen, states)


def source_mask(mask: Array | None, ids: Array | None, options: GenerationConfig) -> Array | None:
    """The mask given, or one that hides pad tokens where those do not also end sequences."""
    pad = options.pad_token_id
    if mask is None and ids is not None and pad is not None and pad not in eos_ids(options):
        return (ids != pad).astype("int32")
    return mask


def decoder_prompts(
    given: Mapping[str, Any], options: GenerationConfig, config: PreTrainedConfig, count: int
) -> tuple[Array, Array | None]:
    """What the outputs begin with: the start token, put before given prompts if all of them are seen to lack it."""
    start = jnp.full((count, 1), start_id(options), "int32")
    if given.get("decoder_input_ids") is None:
        return start, None
    ids = inputs.token_ids("decoder_input_ids", given["decoder_input_ids"], config)
    if ids.shape[0] != count:
        raise ShapeError(f"`decoder_input_ids` must have a row for each of {count} sources, but has {ids.shape[0]}.")
    mask = inputs.mask("decoder_attention_mask", given.get("decoder_attention_mask"), *ids.shape)
    check_ends("decoder_attention_mask", mask)
    if inputs.is_known(ids) and (mask is None or inputs.is_known(mask)):
        places = np.zeros(count, dtype=int) if mask is None else np.asarray(mask).argmax(axis=1)
        if (np.asarray(ids)[np.arange(count), places] != start_id(options)).all():
            ids = jnp.concatenate([start, ids], axis=1)
            mask = None if mask is None else jnp.concatenate([jnp.ones_like(mask[:, :1]), mask], axis=1)
    return ids, mask


def check_ends(name: str, mask: Array | None) -> None:
    """Raises: ShapeError if a prompt ends in padding: what is written side by side starts at one place."""
    if mask is not None and inputs.is_known(mask) and not bool(np.asarray(mask)[:, -1].all()):
        raise ShapeError(f"`{name}` must not hide the last token of a prompt, but does. Pad prompts on the left.")
