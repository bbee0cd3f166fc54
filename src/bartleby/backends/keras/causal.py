"""The decoder alone, as a language model."""

from __future__ import annotations

import copy
from typing import Any, ClassVar

import keras
from keras import ops

from bartleby.backends.keras.inputs import unpack_inputs
from bartleby.backends.keras.modeling import Decoder
from bartleby.backends.keras.outputs import TFCausalLMOutputWithCrossAttentions, as_asked, rest_of
from bartleby.backends.keras.passing import new_ids
from bartleby.backends.keras.writing import Writing, own_projection
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


class CausalLM(Writing):
    """The decoder alone, as a language model; it looks at encoder states where they are given."""

    table_head = "causal_lm"
    wrapper_class: ClassVar[type[DecoderOnly]]

    def __init__(self, config: PreTrainedConfig, *arguments: Any, **named: Any) -> None:
        config = copy.deepcopy(config)
        config.is_decoder, config.is_encoder_decoder = True, False
        super().__init__(config, *arguments, **named)
        with keras.name_scope(self.name):
            self.model = self.wrapper_class(config)
            self.lm_head = own_projection(config)

    def get_decoder(self) -> Decoder:
        return self.model.decoder

    def get_input_embeddings(self) -> keras.layers.Layer:
        return self.model.decoder.embed_tokens

    def set_input_embeddings(self, value: keras.layers.Layer) -> None:
        self.model.decoder.set_input_embeddings(value)

    def lm_logits(self, hidden: Tensor) -> Tensor:
        """Scores of every token; (b, t, d) -> (b, t, v)."""
        return self.token_scores(hidden)

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
