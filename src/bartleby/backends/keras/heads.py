"""The two stacks together: without a head, and with one that writes. The decoder alone as a language model is in
causal.py, models that judge a text are in readers.py; models.py binds each to the published names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import keras
from keras import ops

from bartleby.backends.keras.inputs import unpack_inputs
from bartleby.backends.keras.layers import put_layer, renew_variable
from bartleby.backends.keras.model import Model
from bartleby.backends.keras.modeling import Decoder, Encoder, token_embedding
from bartleby.backends.keras.outputs import TFSeq2SeqLMOutput, TFSeq2SeqModelOutput, as_asked, rest_of
from bartleby.backends.keras.passing import encoder_output, new_ids, next_places, shift_tokens_right
from bartleby.backends.keras.portable import require_tensorflow
from bartleby.backends.keras.writing import Writing, own_projection
from bartleby.errors import ShapeError
from bartleby.family.config import PreTrainedConfig
from bartleby.family.masks import IGNORED_LABEL

Tensor = Any


class Seq2SeqModel(Model):
    """Encoder and decoder over one token table, without a head."""

    table_head = "none"
    encoder_class: ClassVar[type[Encoder]]
    decoder_class: ClassVar[type[Decoder]]

    def __init__(self, config: PreTrainedConfig, *arguments: Any, **named: Any) -> None:
        super().__init__(config, *arguments, **named)
        with keras.name_scope(self.name):
            self.shared = token_embedding(config)
            table = self.shared if config.tie_word_embeddings else None
            self.encoder = self.encoder_class(config, table)
            self.decoder = self.decoder_class(config, table)

    def __getattr__(self, name: str) -> Any:
        """`model` is the model itself, where release 4.37 had a layer; no property, or Keras would save it twice."""
        if name == "model":
            return self
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def get_encoder(self) -> Encoder:
        return self.encoder

    def get_decoder(self) -> Decoder:
        return self.decoder

    def get_input_embeddings(self) -> keras.layers.Layer:
        return self.shared

    def set_input_embeddings(self, value: keras.layers.Layer) -> None:
        """Put another table of token vectors in its place, in both stacks too."""
        put_layer(self, "shared", value)
        self.encoder.set_input_embeddings(value)
        self.decoder.set_input_embeddings(value)

    @unpack_inputs
    def call(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
        decoder_position_ids: Tensor | int | None = None,
        head_mask: Tensor | None = None,
        decoder_head_mask: Tensor | None = None,
        cross_attn_head_mask: Tensor | None = None,
        encoder_outputs: Any = None,
        past_key_values: Any = None,
        inputs_embeds: Tensor | None = None,
        decoder_inputs_embeds: Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        training: bool = False,
    ) -> TFSeq2SeqModelOutput | tuple[Any, ...]:
        """Shapes: input_ids (b, s), decoder_input_ids (b, t) -> last_hidden_state (b, t, d).

        Masks and caches are those of the stacks. `encoder_outputs` may be all that the encoder gave, or a tuple that
        begins with its states; then the encoder does not run, and what is meant for it is not read.
        """
        if decoder_input_ids is None and decoder_inputs_embeds is None:
            decoder_input_ids, decoder_inputs_embeds = self._target_from_source(input_ids, inputs_embeds)
        recorded = {"output_attentions": output_attentions, "output_hidden_states": output_hidden_states}
        passed: dict[str, Any] = {**recorded, "return_dict": True, "training": training}
        encoded: Any
        if encoder_outputs is None:
            encoded = self.encoder.call(input_ids, inputs_embeds, attention_mask, head_mask, **passed)
        else:
            encoded = encoder_output(encoder_outputs)
        decoded: Any = self.decoder.call(
            decoder_input_ids,
            decoder_inputs_embeds,
            decoder_attention_mask,
            decoder_position_ids,
            encoded.last_hidden_state,
            attention_mask,
            decoder_head_mask,
            cross_attn_head_mask,
            past_key_values,
            use_cache,
            **passed,
        )
        output = TFSeq2SeqModelOutput(
            last_hidden_state=decoded.last_hidden_state,
            past_key_values=decoded.past_key_values,
            decoder_hidden_states=decoded.hidden_states,
            decoder_attentions=decoded.attentions,
            cross_attentions=decoded.cross_attentions,
            encoder_last_hidden_state=encoded.last_hidden_state,
            encoder_hidden_states=encoded.hidden_states,
            encoder_attentions=encoded.attentions,
        )
        return as_asked(output, self.config, return_dict)

    def _target_from_source(
        self, input_ids: Tensor | None, inputs_embeds: Tensor | None
    ) -> tuple[Tensor | None, Tensor | None]:
        """Decoder ids or vectors where none were given: the source itself, as the documentation has it.

        In TensorFlow of all three models: `target_from_source` is a habit of PyTorch's alone.
        """
        if input_ids is None and inputs_embeds is not None:
            return None, inputs_embeds
        if input_ids is None:
            raise ShapeError("Decoder inputs can be made from `input_ids` only, but none were given.")
        return shift_tokens_right(input_ids, self.config.pad_token_id, self.config.decoder_start_token_id), None


class HeadedModel(Model):
    """A head over the bare model, which lives under `model`."""

    bare_class: ClassVar[type[Seq2SeqModel]]

    def __init__(self, config: PreTrainedConfig, *arguments: Any, **named: Any) -> None:
        super().__init__(config, *arguments, **named)
        with keras.name_scope(self.name):
            self.model = self.bare_class(config, name="model")

    def get_encoder(self) -> Encoder:
        return self.model.encoder

    def get_decoder(self) -> Decoder:
        return self.model.decoder

    def get_input_embeddings(self) -> keras.layers.Layer:
        return self.model.get_input_embeddings()

    def set_input_embeddings(self, value: keras.layers.Layer) -> None:
        self.model.set_input_embeddings(value)


class ConditionalGeneration(HeadedModel, Writing):
    """A distribution over the next token: summaries, replies, filled masks."""

    table_head = "conditional_generation"

    def __init__(self, config: PreTrainedConfig, *arguments: Any, **named: Any) -> None:
        super().__init__(config, *arguments, **named)
        with keras.name_scope(self.name):
            self.final_logits_bias = self.add_weight(
                (1, config.vocab_size), initializer="zeros", trainable=False, name="final_logits_bias"
            )
            self.lm_head = own_projection(config)

    def get_bias(self) -> dict[str, keras.Variable]:
        return {"final_logits_bias": self.final_logits_bias}

    def set_bias(self, value: Mapping[str, Any]) -> None:
        renew_variable(self, "final_logits_bias", ops.convert_to_tensor(value["final_logits_bias"]))

    def prepare_decoder_input_ids_from_labels(self, labels: Tensor) -> Tensor:
        """The decoder inputs that teach `labels`; (b, t) -> (b, t)."""
        return shift_tokens_right(labels, self.config.pad_token_id, self.config.decoder_start_token_id)

    def lm_logits(self, hidden: Tensor) -> Tensor:
        """Scores of every token; (b, t, d) -> (b, t, v)."""
        return self.token_scores(hidden) + ops.convert_to_tensor(self.final_logits_bias)

    @unpack_inputs
    def call(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
        decoder_position_ids: Tensor | int | None = None,
        head_mask: Tensor | None = None,
        decoder_head_mask: Tensor | None = None,
        cross_attn_head_mask: Tensor | None = None,
        encoder_outputs: Any = None,
        past_key_values: Any = None,
        inputs_embeds: Tensor | None = None,
        decoder_inputs_embeds: Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        labels: Tensor | None = None,
        training: bool = False,
    ) -> TFSeq2SeqLMOutput | tuple[Any, ...]:
        """Shapes: input_ids (b, s); labels (b, t), -100 or pad where a target does not count -> logits (b, t, v).

        The others are those of the bare model.
        """
        if labels is not None:
            use_cache = False
            require_tensorflow("`labels`")
            labels = ops.where(ops.equal(labels, self.config.pad_token_id), IGNORED_LABEL, labels)
            if decoder_input_ids is None and decoder_inputs_embeds is None:
                decoder_input_ids = self.prepare_decoder_input_ids_from_labels(labels)
        outputs: Any = self.model.call(
            input_ids,
            attention_mask,
            decoder_input_ids,
            decoder_attention_mask,
            decoder_position_ids,
            head_mask,
            decoder_head_mask,
            cross_attn_head_mask,
            encoder_outputs,
            past_key_values,
            inputs_embeds,
            decoder_inputs_embeds,
            use_cache,
            output_attentions,
            output_hidden_states,
            return_dict=True,
            training=training,
        )
        logits = self.lm_logits(outputs.last_hidden_state)
        loss = None if labels is None else self.hf_compute_loss(labels, logits)
        return as_asked(TFSeq2SeqLMOutput(loss, logits, **rest_of(outputs)), self.config, return_dict)

    def prepare_inputs_for_generation(
        self,
        decoder_input_ids: Tensor,
        past_key_values: Any = None,
        attention_mask: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
        head_mask: Tensor | None = None,
        decoder_head_mask: Tensor | None = None,
        cross_attn_head_mask: Tensor | None = None,
        use_cache: bool | None = None,
        encoder_outputs: Any = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """The arguments of the next pass: the ids the past does not know yet, and what stays as it is."""
        new = new_ids(decoder_input_ids, past_key_values)
        return {
            "input_ids": None,  # the encoder has read them
            "encoder_outputs": encoder_outputs,
            "past_key_values": past_key_values,
            "decoder_input_ids": new,
            "attention_mask": attention_mask,
            "decoder_attention_mask": decoder_attention_mask,
            "decoder_position_ids": next_places(new, past_key_values, decoder_attention_mask),
            "head_mask": head_mask,
            "decoder_head_mask": decoder_head_mask,
            "cross_attn_head_mask": cross_attn_head_mask,
            "use_cache": use_cache,
        }

    # What decoding asks for

    def encode_sources(self, input_ids: Tensor, attention_mask: Tensor | None) -> Tensor:
        """The encoder's states; (b, s), (b, s) -> (b, s, d)."""
        encoded: Any = self.model.encoder.call(input_ids, attention_mask=attention_mask, return_dict=True)
        return encoded.last_hidden_state
