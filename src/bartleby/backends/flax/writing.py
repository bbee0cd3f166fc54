"""The models that write: what decoding asks of them, step by step, and the published way to prepare for it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jax import Array, lax

from bartleby.backends.flax import inputs
from bartleby.backends.flax.cache import Caches, reordered
from bartleby.backends.flax.causal import CausalLM
from bartleby.backends.flax.generation import GenerationMixin
from bartleby.backends.flax.heads import ConditionalGeneration
from bartleby.backends.flax.model import Params
from bartleby.backends.flax.outputs import ModelOutput, as_asked
from bartleby.backends.flax.past import Remembering
from bartleby.backends.flax.surface import EncoderDecoder
from bartleby.family.config import PreTrainedConfig
from bartleby.family.reference import check_length


class Stepping(GenerationMixin, Remembering):
    """One token after another, as pure functions of the parameters: what a compiled search calls."""

    def start_cache(self, params: Params, states: Array | None, rows: int, length: int) -> Caches:
        """Room for `length` tokens of `rows`, and keys and values of the sources' states (b, s, d), b dividing rows."""
        check_length(length, self.config)

        def empty(module: ConditionalGeneration | CausalLM) -> Caches:
            return module.get_decoder().empty_cache(states, rows, length)

        caches: Caches = self._apply(empty, params=params)
        return caches

    def step(
        self,
        params: Params,
        ids: Array,
        start: int | Array,
        cache: Caches,
        source_mask: Array | None = None,
        prompt_mask: Array | None = None,
    ) -> tuple[Array, Caches]:
        """Scores of the token after the last, (r, v) float32, and the cache with the new tokens.

        Shapes: ids (r, t), the tokens that stand at `start` and behind it; source_mask (b, s); prompt_mask (r, T).
        """
        scores: tuple[Array, Caches] = self._apply("step", ids, start, cache, source_mask, prompt_mask, params=params)
        return scores

    @staticmethod
    def reorder_cache(cache: Caches, rows: Array) -> Caches:
        """Row i becomes what row `rows[i]` was, one of the same source."""
        return reordered(cache, rows)


class Writer(EncoderDecoder, Stepping):
    """A distribution over the next token: summaries, replies, filled masks."""

    module_class = ConditionalGeneration
    table_head = "conditional_generation"

    def encode_sources(self, params: Params, input_ids: Array, attention_mask: Array | None = None) -> Array:
        """The encoder's states; (b, s) -> (b, s, d)."""
        states: Array = self._apply("encode", input_ids, attention_mask, params=params).last_hidden_state
        return states

    def prepare_inputs_for_generation(
        self,
        decoder_input_ids: Any,
        max_length: int,
        attention_mask: Any = None,
        decoder_attention_mask: Any = None,
        encoder_outputs: Any = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """The arguments of the first `decode`: an empty cache, a mask of all it has room for, and positions."""
        mask, positions = _mask_and_positions(decoder_input_ids, max_length, decoder_attention_mask)
        return {
            "past_key_values": self.init_cache(decoder_input_ids.shape[0], max_length, encoder_outputs),
            "encoder_outputs": encoder_outputs,
            "encoder_attention_mask": attention_mask,
            "decoder_attention_mask": mask,
            "decoder_position_ids": positions,
        }

    def update_inputs_for_generation(self, model_outputs: Any, model_kwargs: dict[str, Any]) -> dict[str, Any]:
        """The arguments of the next `decode`, written into those of the last."""
        model_kwargs["past_key_values"] = model_outputs.past_key_values
        model_kwargs["decoder_position_ids"] = model_kwargs["decoder_position_ids"][:, -1:] + 1
        return model_kwargs


class LanguageModel(Stepping):
    """The decoder alone, as a language model; it looks at encoder states where they are given."""

    module_class = CausalLM
    table_head = "causal_lm"

    def __init__(
        self,
        config: PreTrainedConfig,
        input_shape: tuple[int, ...] = (1, 1),
        seed: int = 0,
        dtype: Any = jnp.float32,
        _do_init: bool = True,
        **kwargs: Any,
    ) -> None:
        if isinstance(config, PreTrainedConfig):
            config = copy.deepcopy(config)  # the caller's may describe the whole model
            config.is_decoder, config.is_encoder_decoder = True, False
        super().__init__(config, input_shape, seed, dtype, _do_init, **kwargs)

    def _first_inputs(self, input_shape: tuple[int, ...]) -> tuple[Array | None, ...]:
        # Encoder states too: attention to them has parameters, whether they are given later or not.
        return jnp.zeros(input_shape, jnp.int32), None, None, jnp.zeros((*input_shape, self.config.d_model))

    @inputs.explained
    def __call__(
        self,
        input_ids: Any,
        attention_mask: Any = None,
        position_ids: Any = None,
        encoder_hidden_states: Any = None,
        encoder_attention_mask: Any = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        train: bool = False,
        params: Params | None = None,
        past_key_values: Mapping[str, Any] | None = None,
        dropout_rng: Array | None = None,
    ) -> ModelOutput | tuple[Any, ...]:
        """Shapes: input_ids (b, t), with `past_key_values` only the new tokens -> logits (b, t, v).

        With a cache a mask covers all it has room for. Positions are counted on from it where none are given.
        """
        states = None if encoder_hidden_states is None else inputs.encoder_states((encoder_hidden_states,))
        ids = inputs.token_ids("input_ids", input_ids, self.config)
        past = self._past(past_key_values, ids)
        if states is not None:
            inputs.check_rows(ids.shape[0], states.shape[0])
        output = self._apply(
            "__call__",
            ids,
            past.mask("attention_mask", attention_mask, ids),
            inputs.positions("position_ids", position_ids, ids, self.config),
            None if states is None else states.astype(self.dtype),
            None
            if states is None
            else inputs.mask("encoder_attention_mask", encoder_attention_mask, *states.shape[:2]),
            cache=past.caches,
            start=past.start,
            params=params,
            dropout_rng=dropout_rng,
            **self._recorded(output_attentions, output_hidden_states, train, dropout_rng),
        )
        return as_asked(self._with_past(output, past, ids), self.config, return_dict)

    def encode_sources(self, params: Params, input_ids: Array, attention_mask: Array | None = None) -> None:
        """Nothing: there is no encoder."""

    def init_cache(self, batch_size: int, max_length: int) -> dict[str, Any]:
        """An empty cache, with room for `max_length` tokens of each row."""
        return self._empty_past(batch_size, max_length)

    def prepare_inputs_for_generation(
        self, input_ids: Any, max_length: int, attention_mask: Any = None
    ) -> dict[str, Any]:
        """The arguments of the first pass: an empty cache, a mask of all it has room for, and positions."""
        mask, positions = _mask_and_positions(input_ids, max_length, attention_mask)
        past = self.init_cache(input_ids.shape[0], max_length)
        return {"past_key_values": past, "attention_mask": mask, "position_ids": positions}

    def update_inputs_for_generation(self, model_outputs: Any, model_kwargs: dict[str, Any]) -> dict[str, Any]:
        """The arguments of the next pass, written into those of the last."""
        model_kwargs["past_key_values"] = model_outputs.past_key_values
        model_kwargs["position_ids"] = model_kwargs["position_ids"][:, -1:] + 1
        return model_kwargs


def _mask_and_positions(ids: Any, room: int, attention_mask: Any) -> tuple[Array, Array]:
    """A mask of all there is room for: what is to come is visible once it is there. Pads take up no position."""
    rows, length = ids.shape
    everything = jnp.ones((rows, room), jnp.int32)
    if attention_mask is None:
        return everything, jnp.broadcast_to(jnp.arange(length, dtype=jnp.int32), (rows, length))
    mask = jnp.asarray(attention_mask, jnp.int32)
    # A pad in front stands where the first token does: it is hidden, and there is no position before that.
    return lax.dynamic_update_slice(everything, mask, (0, 0)), (mask.cumsum(axis=-1) - 1).clip(0)
