"""The decoder alone, as a language model."""

from __future__ import annotations

import copy
from typing import Any, ClassVar

import keras
from keras import ops

from bartleby.backends.keras.generation import GenerationMixin
from bartleby.backends.keras.inputs import unpack_inputs
from bartleby.backends.keras.layers import Linear, put_layer, tied_scores
from bartleby.backends.keras.losses import token_loss
from bartleby.backends.keras.masks import Size
from bartleby.backends.keras.model import Model
from bartleby.backends.keras.modeling import Cache, Decoder
from bartleby.backends.keras.outputs import TFCausalLMOutputWithCrossAttentions, as_asked, rest_of
from bartleby.backends.keras.passing import new_ids, reordered
from bartleby.family.config import PreTrainedConfig

Tensor = Any


class DecoderOnly(keras.layers.Layer):
    """Holds the decoder under the name it has in a full checkpoint."""

    decoder_class: ClassVar[type[Decoder]]

    def __init__(self, config: PreTrainedConfig, name: str = "model") -> None:
        super().__init__(name=name)
        self.config = config
        with keras.name_scope(name):
            self.decoder = self.decoder_class(config)
        self.built = True

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self.decoder(*arguments, **named)


class CausalLM(GenerationMixin, Model):
    """The decoder alone, as a language model; it looks at encoder states where they are given."""

    table_head = "causal_lm"
    wrapper_class: ClassVar[type[DecoderOnly]]

    def __init__(self, config: PreTrainedConfig, *arguments: Any, **named: Any) -> None:
        config = copy.deepcopy(config)
        config.is_decoder, config.is_encoder_decoder = True, False
        super().__init__(config, *arguments, **named)
        with keras.name_scope(self.name):
            self.model = self.wrapper_class(config)
            self.lm_head = None
            if not config.tie_word_embeddings:
                self.lm_head = Linear(config.d_model, config.vocab_size, config.init_std, "lm_head", use_bias=False)

    def get_decoder(self) -> Decoder:
        return self.model.decoder

    def get_input_embeddings(self) -> keras.layers.Layer:
        return self.model.decoder.embed_tokens

    def set_input_embeddings(self, value: keras.layers.Layer) -> None:
        self.model.decoder.set_input_embeddings(value)

    def get_output_embeddings(self) -> keras.layers.Layer:
        return self.get_input_embeddings() if self.lm_head is None else self.lm_head

    def set_output_embeddings(self, value: keras.layers.Layer) -> None:
        """Put another layer in its place, or another table where they are tied."""
        if self.lm_head is None:
            self.set_input_embeddings(value)
        else:
            put_layer(self, "lm_head", value)

    def lm_logits(self, hidden: Tensor) -> Tensor:
        """Scores of every token; (b, t, d) -> (b, t, v)."""
        if self.lm_head is None:
            return tied_scores(hidden, ops.convert_to_tensor(self.model.decoder.embed_tokens.embeddings))
        return self.lm_head.call(hidden)

    def hf_compute_loss(self, labels: Tensor, logits: Tensor) -> Tensor:
        """The loss of each label that is not -100; (b, t), (b, t, v) -> (n)."""
        return token_loss(labels, logits)

    @unpack_inputs
    def call(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        encoder_hidden_states: Tensor | None = None,
        encoder_attention_mask: Tensor | None = None,
        head_mask: Tensor | None = None,
        cross_attn_head_mask: Tensor | None = None,
        past_key_values: Any = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        position_ids: Tensor | int | None = None,
        training: bool = False,
    ) -> TFCausalLMOutputWithCrossAttentions | tuple[Any, ...]:
        """Shapes: input_ids (b, t); labels (b, t), not moved, -100 where they do not count -> logits (b, t, v).

        The others are those of the decoder.
        """
        outputs: Any = self.model.decoder.call(
            input_ids,
            inputs_embeds,
            attention_mask,
            position_ids,
            encoder_hidden_states,
            encoder_attention_mask,
            head_mask,
            cross_attn_head_mask,
            past_key_values,
            use_cache,
            output_attentions,
            output_hidden_states,
            return_dict=True,
            training=training,
        )
        logits = self.lm_logits(outputs.last_hidden_state)
        loss = None if labels is None else self.hf_compute_loss(labels, logits)
        output = TFCausalLMOutputWithCrossAttentions(loss, logits, **rest_of(outputs))
        return as_asked(output, self.config, return_dict)

    def prepare_inputs_for_generation(
        self,
        input_ids: Tensor,
        past_key_values: Any = None,
        attention_mask: Tensor | None = None,
        use_cache: bool | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """The arguments of the next pass: the ids the past does not know yet, and what stays as it is."""
        return {
            "input_ids": new_ids(input_ids, past_key_values),
            "attention_mask": ops.ones_like(input_ids) if attention_mask is None else attention_mask,
            "past_key_values": past_key_values,
            "use_cache": use_cache,
            **kwargs,
        }

    # What decoding asks for

    def start_cache(self, states: Tensor | None, rows: Size, length: Size) -> Cache:
        """Room for `length` tokens of `rows` texts, and the keys and values of encoder states where there are any."""
        return self.model.decoder.empty_cache(states, rows, length)

    def step(
        self, ids: Tensor, start: Size, cache: Cache, source_mask: Tensor | None, prompt_mask: Tensor | None
    ) -> tuple[Tensor, Cache]:
        """Scores after the last of these tokens, which stand at `start` and on, and the next cache.

        Shapes: ids (r, t), source_mask (b, s), prompt_mask (r, T) -> (r, v) in float32.
        """
        hidden, cache = self.model.decoder.step(ids, start, cache, source_mask, prompt_mask)
        return ops.cast(self.lm_logits(hidden)[:, 0], "float32"), cache

    def reorder_cache(self, cache: Cache, rows: Tensor) -> Cache:
        """The cache of other rows; (r)."""
        return reordered(cache, rows)
