"""The two stacks together, as linen modules: without a head, and with one that writes. The decoder alone as a language
model is in causal.py, modules that judge a text are in readers.py; models.py binds each to the published names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import Array

from bartleby.backends.flax.cache import Caches
from bartleby.backends.flax.layers import tied_scores
from bartleby.backends.flax.modeling import Decoder, Encoder, token_embedding
from bartleby.backends.flax.outputs import (
    DecodedLogits,
    FlaxBaseModelOutput,
    FlaxSeq2SeqLMOutput,
    FlaxSeq2SeqModelOutput,
    ModelOutput,
)
from bartleby.family.config import PreTrainedConfig
from bartleby.family.parameters import Head


class Seq2SeqModel(nn.Module):
    """Encoder and decoder over one token table, without a head."""

    table_head: ClassVar[Head] = "none"
    config: PreTrainedConfig
    dtype: Any = jnp.float32
    gradient_checkpointing: bool = False

    def setup(self) -> None:
        config, dtype, again = self.config, self.dtype, self.gradient_checkpointing
        tied = config.tie_word_embeddings
        self.shared = token_embedding(config, dtype)
        self.encoder = Encoder(config, self.shared if tied else token_embedding(config, dtype), dtype, again)
        self.decoder = Decoder(config, self.shared if tied else token_embedding(config, dtype), dtype, again)
        if not tied and self.is_initializing():
            _ = self.shared.embedding  # files have it, though nothing reads it

    def get_encoder(self) -> Encoder:
        return self.encoder

    def get_decoder(self) -> Decoder:
        return self.decoder

    def encode(self, *arguments: Any, **named: Any) -> FlaxBaseModelOutput:
        """The encoder's pass."""
        return self.encoder(*arguments, **named)

    def decode(self, *arguments: Any, **named: Any) -> Any:
        """The decoder's pass."""
        return self.decoder(*arguments, **named)

    def __call__(
        self,
        input_ids: Array,
        attention_mask: Array | None = None,
        decoder_input_ids: Array | None = None,
        decoder_attention_mask: Array | None = None,
        position_ids: Array | None = None,
        decoder_position_ids: Array | None = None,
        output_attentions: bool = False,
        output_hidden_states: bool = False,
        return_dict: bool = True,
        deterministic: bool = True,
    ) -> FlaxSeq2SeqModelOutput | tuple[Any, ...]:
        """Shapes: input_ids (b, s), decoder_input_ids (b, t) -> last_hidden_state (b, t, d)."""
        recorded: dict[str, Any] = {
            "output_attentions": output_attentions,
            "output_hidden_states": output_hidden_states,
        }
        encoded = self.encoder(input_ids, attention_mask, position_ids, **recorded, deterministic=deterministic)
        decoded = self.decoder(
            decoder_input_ids,
            decoder_attention_mask,
            decoder_position_ids,
            encoded.last_hidden_state,
            attention_mask,
            **recorded,
            deterministic=deterministic,
        )
        output = FlaxSeq2SeqModelOutput(
            last_hidden_state=decoded.last_hidden_state,
            decoder_hidden_states=decoded.hidden_states,
            decoder_attentions=decoded.attentions,
            cross_attentions=decoded.cross_attentions,
            encoder_last_hidden_state=encoded.last_hidden_state,
            encoder_hidden_states=encoded.hidden_states,
            encoder_attentions=encoded.attentions,
        )
        return output if return_dict else output.to_tuple()


class HeadedModel(nn.Module):
    """A head over the bare model, which lives under `model`."""

    table_head: ClassVar[Head]
    config: PreTrainedConfig
    dtype: Any = jnp.float32
    gradient_checkpointing: bool = False

    def setup(self) -> None:
        self.model = Seq2SeqModel(self.config, self.dtype, self.gradient_checkpointing)

    def get_encoder(self) -> Encoder:
        return self.model.encoder

    def get_decoder(self) -> Decoder:
        return self.model.decoder

    def encode(self, *arguments: Any, **named: Any) -> FlaxBaseModelOutput:
        """The encoder's pass."""
        return self.model.encode(*arguments, **named)

    def decode(self, *arguments: Any, **named: Any) -> Any:
        """The decoder's pass."""
        return self.model.decode(*arguments, **named)

    def _read(self, outputs: FlaxSeq2SeqModelOutput, input_ids: Array, deterministic: bool) -> ModelOutput:
        """What the head makes of the bare model's output."""
        raise NotImplementedError

    def __call__(
        self,
        input_ids: Array,
        attention_mask: Array | None = None,
        decoder_input_ids: Array | None = None,
        decoder_attention_mask: Array | None = None,
        position_ids: Array | None = None,
        decoder_position_ids: Array | None = None,
        output_attentions: bool = False,
        output_hidden_states: bool = False,
        return_dict: bool = True,
        deterministic: bool = True,
    ) -> ModelOutput | tuple[Any, ...]:
        """Shapes: input_ids (b, s), decoder_input_ids (b, t)."""
        outputs: Any = self.model(
            input_ids,
            attention_mask,
            decoder_input_ids,
            decoder_attention_mask,
            position_ids,
            decoder_position_ids,
            output_attentions,
            output_hidden_states,
            deterministic=deterministic,
        )
        output = self._read(outputs, input_ids, deterministic)
        return output if return_dict else output.to_tuple()


class ConditionalGeneration(HeadedModel):
    """A distribution over the next token: summaries, replies, filled masks."""

    table_head = "conditional_generation"
    bias_init: Callable[..., Array] = nn.initializers.zeros

    def setup(self) -> None:
        super().setup()
        self.lm_head = None if self.config.tie_word_embeddings else output_projection(self.config, self.dtype)
        self.final_logits_bias = self.param("final_logits_bias", self.bias_init, (1, self.config.vocab_size))

    def lm_logits(self, hidden: Array) -> Array:
        """Scores of every token; (…, d) -> (…, v)."""
        scores = tied_scores(hidden, self.model.shared.embedding) if self.lm_head is None else self.lm_head(hidden)
        # A buffer, not a parameter: it is kept with them, but no gradient reaches it.
        return scores + jax.lax.stop_gradient(self.final_logits_bias[0]).astype(self.dtype)

    def _read(self, outputs: FlaxSeq2SeqModelOutput, input_ids: Array, deterministic: bool) -> FlaxSeq2SeqLMOutput:
        return FlaxSeq2SeqLMOutput(self.lm_logits(outputs.last_hidden_state), **rest_of(outputs))

    def decode(self, *arguments: Any, **named: Any) -> DecodedLogits:
        """The decoder's pass and the scores of the next tokens; (r, t) -> logits (r, t, v)."""
        decoded = self.model.decode(*arguments, **named)
        states = decoded.last_hidden_state
        return DecodedLogits(self.lm_logits(states), **rest_of(decoded), last_hidden_state=states)

    def step(
        self, ids: Array, start: int | Array, cache: Caches, source_mask: Array | None, prompt_mask: Array | None
    ) -> tuple[Array, Caches]:
        """Scores of the token after the last, (r, v) float32, and the new cache.

        Shapes: ids (r, t), which stand at `start` and behind it; source_mask (b, s); prompt_mask (r, T).
        """
        decoded = self.model.decode(ids, prompt_mask, encoder_attention_mask=source_mask, cache=cache, start=start)
        return self.lm_logits(decoded.last_hidden_state[:, -1]).astype(jnp.float32), decoded.past_key_values


def output_projection(config: PreTrainedConfig, dtype: Any) -> nn.Dense:
    """A projection to tokens with weights of its own."""
    initializer = nn.initializers.normal(config.init_std)
    return nn.Dense(config.vocab_size, use_bias=False, dtype=dtype, kernel_init=initializer)


def rest_of(outputs: ModelOutput) -> dict[str, Any]:
    """What a head passes on from the output it stands on."""
    return {name: value for name, value in outputs.items() if name != "last_hidden_state"}
