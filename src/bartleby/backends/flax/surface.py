"""What users call on models with both stacks: the published passes, checked and then handed to the linen module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import jax.numpy as jnp
from jax import Array

from bartleby.backends.flax import inputs
from bartleby.backends.flax.heads import Seq2SeqModel
from bartleby.backends.flax.model import Params
from bartleby.backends.flax.outputs import FlaxBaseModelOutput, ModelOutput, as_asked
from bartleby.backends.flax.past import Remembering
from bartleby.errors import ShapeError
from bartleby.family.parameters import Head


class EncoderDecoder(Remembering):
    """A model with an encoder and a decoder; `module_class` says what stands on them."""

    module_class = Seq2SeqModel
    table_head: ClassVar[Head] = "none"

    def _first_inputs(self, input_shape: tuple[int, ...]) -> tuple[Array | None, ...]:
        eos = self.config.eos_token_id  # a reader looks for one
        ids = jnp.zeros(input_shape, jnp.int32).at[..., -1].set(eos[0] if isinstance(eos, list | tuple) else eos or 0)
        return ids, None, ids

    @inputs.explained
    def __call__(
        self,
        input_ids: Any,
        attention_mask: Any = None,
        decoder_input_ids: Any = None,
        decoder_attention_mask: Any = None,
        position_ids: Any = None,
        decoder_position_ids: Any = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        train: bool = False,
        params: Params | None = None,
        dropout_rng: Array | None = None,
    ) -> ModelOutput | tuple[Any, ...]:
        """Both stacks and the head. Without `decoder_input_ids` the decoder reads the source moved one place right.

        Shapes: input_ids and its mask and positions (b, s), those of the decoder (b, t).
        """
        config = self.config
        ids = inputs.token_ids("input_ids", input_ids, config)
        if decoder_input_ids is None:
            targets = inputs.shift_tokens_right(ids, config.pad_token_id, config.decoder_start_token_id)
        else:
            targets = inputs.token_ids("decoder_input_ids", decoder_input_ids, config)
        inputs.check_rows(targets.shape[0], ids.shape[0])
        output = self._apply(
            "__call__",
            ids,
            inputs.mask("attention_mask", attention_mask, *ids.shape),
            targets,
            inputs.mask("decoder_attention_mask", decoder_attention_mask, *targets.shape),
            inputs.positions("position_ids", position_ids, ids, config),
            inputs.positions("decoder_position_ids", decoder_position_ids, targets, config),
            params=params,
            dropout_rng=dropout_rng,
            **self._recorded(output_attentions, output_hidden_states, train, dropout_rng),
        )
        return as_asked(output, config, return_dict)

    @inputs.explained
    def encode(
        self,
        input_ids: Any,
        attention_mask: Any = None,
        position_ids: Any = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        train: bool = False,
        params: Params | None = None,
        dropout_rng: Array | None = None,
    ) -> FlaxBaseModelOutput | tuple[Any, ...]:
        """The encoder alone; shapes as above."""
        ids = inputs.token_ids("input_ids", input_ids, self.config)
        output = self._apply(
            "encode",
            ids,
            inputs.mask("attention_mask", attention_mask, *ids.shape),
            inputs.positions("position_ids", position_ids, ids, self.config),
            params=params,
            dropout_rng=dropout_rng,
            **self._recorded(output_attentions, output_hidden_states, train, dropout_rng),
        )
        return as_asked(output, self.config, return_dict)

    @inputs.explained
    def decode(
        self,
        decoder_input_ids: Any,
        encoder_outputs: Any,
        encoder_attention_mask: Any = None,
        decoder_attention_mask: Any = None,
        decoder_position_ids: Any = None,
        past_key_values: Mapping[str, Any] | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        train: bool = False,
        params: Params | None = None,
        dropout_rng: Array | None = None,
    ) -> ModelOutput | tuple[Any, ...]:
        """The decoder, over what `encode` gave, and the scores of the next tokens where the head writes.

        With `past_key_values`, of `init_cache` or of the last pass, only the new tokens are given: they need
        `decoder_position_ids`, and a mask covers all the cache has room for. The cache that comes back holds them too.
        """
        states = inputs.encoder_states(encoder_outputs)
        if past_key_values is not None and decoder_position_ids is None:
            raise ShapeError("`decoder_position_ids` must be given with `past_key_values`: where the new tokens stand.")
        ids = inputs.token_ids("decoder_input_ids", decoder_input_ids, self.config)
        inputs.check_rows(ids.shape[0], states.shape[0])
        past = self._past(past_key_values, ids)
        output = self._apply(
            "decode",
            ids,
            past.mask("decoder_attention_mask", decoder_attention_mask, ids),
            inputs.positions("decoder_position_ids", decoder_position_ids, ids, self.config),
            states.astype(self.dtype),
            inputs.mask("encoder_attention_mask", encoder_attention_mask, *states.shape[:2]),
            cache=past.caches,
            start=past.start,
            params=params,
            dropout_rng=dropout_rng,
            **self._recorded(output_attentions, output_hidden_states, train, dropout_rng),
        )
        return as_asked(self._with_past(output, past, ids), self.config, return_dict)

    def init_cache(self, batch_size: int, max_length: int, encoder_outputs: Any) -> dict[str, Any]:
        """An empty cache for `decode`, with room for `max_length` tokens of each row."""
        inputs.check_rows(batch_size, inputs.encoder_states(encoder_outputs).shape[0])
        return self._empty_past(batch_size, max_length)
