"""The decoder alone, as a language model, in linen modules."""

from __future__ import annotations

from typing import Any, ClassVar

import jax.numpy as jnp
from flax import linen as nn
from jax import Array

from bartleby.backends.flax.cache import Caches
from bartleby.backends.flax.heads import output_projection, rest_of
from bartleby.backends.flax.layers import tied_scores
from bartleby.backends.flax.modeling import Decoder, token_embedding
from bartleby.backends.flax.outputs import FlaxCausalLMOutputWithCrossAttentions
from bartleby.family.config import PreTrainedConfig
from bartleby.family.parameters import Head


class DecoderOnly(nn.Module):
    """Holds the decoder under the name it has in a full checkpoint, with a token table of its own."""

    config: PreTrainedConfig
    dtype: Any = jnp.float32
    gradient_checkpointing: bool = False

    def setup(self) -> None:
        table = token_embedding(self.config, self.dtype)
        self.decoder = Decoder(self.config, table, self.dtype, self.gradient_checkpointing)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self.decoder(*arguments, **named)


class CausalLM(nn.Module):
    """The decoder alone, as a language model; it looks at encoder states where they are given."""

    table_head: ClassVar[Head] = "causal_lm"
    config: PreTrainedConfig
    dtype: Any = jnp.float32
    gradient_checkpointing: bool = False

    def setup(self) -> None:
        self.model = DecoderOnly(self.config, self.dtype, self.gradient_checkpointing)
        self.lm_head = None if self.config.tie_word_embeddings else output_projection(self.config, self.dtype)

    def get_decoder(self) -> Decoder:
        return self.model.decoder

    def lm_logits(self, hidden: Array) -> Array:
        """Scores of every token; (…, d) -> (…, v)."""
        table = self.model.decoder.embed_tokens.embedding
        return tied_scores(hidden, table) if self.lm_head is None else self.lm_head(hidden)

    def __call__(
        self,
        input_ids: Array,
        attention_mask: Array | None = None,
        position_ids: Array | None = None,
        encoder_hidden_states: Array | None = None,
        encoder_attention_mask: Array | None = None,
        output_attentions: bool = False,
        output_hidden_states: bool = False,
        return_dict: bool = True,
        deterministic: bool = True,
        cache: Caches | None = None,
        start: int | Array = 0,
    ) -> FlaxCausalLMOutputWithCrossAttentions | tuple[Any, ...]:
        """Shapes: input_ids (b, t) -> logits (b, t, v); the others are the decoder's."""
        decoded = self.model(
            input_ids,
            attention_mask,
            position_ids,
            encoder_hidden_states,
            encoder_attention_mask,
            output_attentions,
            output_hidden_states,
            deterministic,
            cache,
            start,
        )
        logits = self.lm_logits(decoded.last_hidden_state)
        output = FlaxCausalLMOutputWithCrossAttentions(logits, **rest_of(decoded))
        return output if return_dict else output.to_tuple()

    def step(
        self, ids: Array, start: int | Array, cache: Caches, source_mask: Array | None, prompt_mask: Array | None
    ) -> tuple[Array, Caches]:
        """Scores of the token after the last, and the new cache, as of the module that writes."""
        decoded = self.model(ids, prompt_mask, encoder_attention_mask=source_mask, cache=cache, start=start)
        return self.lm_logits(decoded.last_hidden_state[:, -1]).astype(jnp.float32), decoded.past_key_values
