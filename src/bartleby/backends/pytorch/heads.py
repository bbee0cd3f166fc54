"""The two stacks together: without a head, and with one that writes. The decoder alone as a language model is in
causal.py, models that judge a text are in readers.py; models.py binds each to the published names.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from bartleby.backends.pytorch.cache import is_cache
from bartleby.backends.pytorch.decoding.entry_points import EntryPoints
from bartleby.backends.pytorch.losses import token_loss
from bartleby.backends.pytorch.model import Model, refuse_unknown
from bartleby.backends.pytorch.modeling import Decoder, Encoder, token_embedding
from bartleby.backends.pytorch.outputs import Seq2SeqLMOutput, Seq2SeqModelOutput, as_asked
from bartleby.backends.pytorch.passing import (
    encoder_output,
    kept,
    new_ids,
    reordered,
    rest_of,
    shift_tokens_right,
    tie_output,
    without_cache,
)
from bartleby.errors import ShapeError
from bartleby.family.architecture import architecture_of
from bartleby.family.config import PreTrainedConfig


class Seq2SeqModel(Model):
    """Encoder and decoder over one token table, without a head."""

    table_head = "none"
    encoder_class: ClassVar[type[Encoder]]
    decoder_class: ClassVar[type[Decoder]]
    _tied_weights_keys: ClassVar[dict[str, str]] = {
        "encoder.embed_tokens.weight": "shared.weight",
        "decoder.embed_tokens.weight": "shared.weight",
    }

    def __init__(self, config: PreTrainedConfig) -> None:
        super().__init__(config)
        self.shared = token_embedding(config)
        self.encoder = self.encoder_class(config)
        self.decoder = self.decoder_class(config)
        self.post_init()

    def tie_weights(self) -> None:
        if self.config.tie_word_embeddings:
            self.encoder.embed_tokens.weight = self.shared.weight
            self.decoder.embed_tokens.weight = self.shared.weight

    def get_encoder(self, modality: str | None = None) -> Encoder:
        return self.encoder

    def set_encoder(self, encoder: Encoder, modality: str | None = None) -> None:
        self.encoder = encoder

    def get_decoder(self) -> Decoder:
        return self.decoder

    def set_decoder(self, decoder: Decoder) -> None:
        self.decoder = decoder

    def get_input_embeddings(self) -> nn.Module:
        return self.shared

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.shared = value  # type: ignore[assignment]  # any table of vectors will do
        self.encoder.set_input_embeddings(value)
        self.decoder.set_input_embeddings(value)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
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
        cache_position: Tensor | None = None,
        **kwargs: Any,
    ) -> Seq2SeqModelOutput | tuple[Any, ...]:
        """Shapes: input_ids (b, s), decoder_input_ids (b, t) -> last_hidden_state (b, t, d).

        Masks, caches and `cache_position` are those of the stacks. `encoder_outputs` may be all that the encoder gave,
        or a tuple that begins with its states; then the encoder does not run, and what is meant for it is not read.
        """
        refuse_unknown(self.forward, kwargs)
        if decoder_input_ids is None and decoder_inputs_embeds is None:
            decoder_input_ids, decoder_inputs_embeds = self._target_from_source(input_ids, inputs_embeds)
        recorded = {"output_attentions": output_attentions, "output_hidden_states": output_hidden_states}
        if encoder_outputs is None:
            encoded = self.encoder(input_ids, attention_mask, head_mask, inputs_embeds, **recorded, return_dict=True)
        else:
            encoded = encoder_output(encoder_outputs)
        decoded = self.decoder(
            decoder_input_ids,
            decoder_attention_mask,
            encoded.last_hidden_state,
            attention_mask,
            head_mask=decoder_head_mask,
            cross_attn_head_mask=cross_attn_head_mask,
            past_key_values=past_key_values,
            inputs_embeds=decoder_inputs_embeds,
            use_cache=use_cache,
            **recorded,
            return_dict=True,
            cache_position=cache_position,
        )
        output = Seq2SeqModelOutput(
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
        """Decoder ids or vectors where none were given: the source itself, as the documentation has it."""
        if input_ids is None and inputs_embeds is not None:
            return None, inputs_embeds
        if not architecture_of(self.config.model_type).target_from_source:
            raise ShapeError("This model needs `decoder_input_ids` or `decoder_inputs_embeds`, but was given neither.")
        if input_ids is None:
            raise ShapeError("Decoder inputs can be made from `input_ids` only, but none were given.")
        return shift_tokens_right(input_ids, self.config.pad_token_id, self.config.decoder_start_token_id), None


class HeadedModel(Model):
    """A head over the bare model, which lives under `model`."""

    bare_class: ClassVar[type[Seq2SeqModel]]
    _tied_weights_keys: ClassVar[dict[str, str]] = {
        f"model.{name}": f"model.{source}" for name, source in Seq2SeqModel._tied_weights_keys.items()
    }

    def __init__(self, config: PreTrainedConfig) -> None:
        super().__init__(config)
        self.model = self.bare_class(config)

    def get_encoder(self, modality: str | None = None) -> Encoder:
        return self.model.encoder

    def set_encoder(self, encoder: Encoder, modality: str | None = None) -> None:
        self.model.encoder = encoder

    def get_decoder(self) -> Decoder:
        return self.model.decoder

    def set_decoder(self, decoder: Decoder) -> None:
        self.model.decoder = decoder

    def get_input_embeddings(self) -> nn.Module:
        return self.model.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.model.set_input_embeddings(value)
        self.tie_weights()

    def tie_weights(self) -> None:
        self.model.tie_weights()


class ConditionalGeneration(HeadedModel, EntryPoints):
    """A distribution over the next token: summaries, replies, filled masks."""

    table_head = "conditional_generation"
    _tied_weights_keys: ClassVar[dict[str, str]] = {
        **HeadedModel._tied_weights_keys,
        "lm_head.weight": "model.shared.weight",
    }
    _keys_to_ignore_on_load_missing: ClassVar[list[str]] = ["final_logits_bias"]

    def __init__(self, config: PreTrainedConfig) -> None:
        super().__init__(config)
        self.final_logits_bias: Tensor
        self.register_buffer("final_logits_bias", torch.zeros(1, config.vocab_size))
        self.lm_head = nn.Linear(config.d_model, config.vocab_size, bias=False)
        self.post_init()

    def tie_weights(self) -> None:
        super().tie_weights()
        if self.config.tie_word_embeddings:
            tie_output(self.lm_head, self.model.shared)

    def get_output_embeddings(self) -> nn.Module:
        return self.lm_head

    def set_output_embeddings(self, new_embeddings: nn.Module) -> None:
        self.lm_head = new_embeddings  # type: ignore[assignment]  # any projection will do

    def prepare_decoder_input_ids_from_labels(self, labels: Tensor) -> Tensor:
        """The decoder inputs that teach `labels`; (b, t) -> (b, t)."""
        return shift_tokens_right(labels, self.config.pad_token_id, self.config.decoder_start_token_id)

    def lm_logits(self, hidden: Tensor) -> Tensor:
        """Scores of every token; (…, d) -> (…, v)."""
        return self.lm_head(hidden) + self.final_logits_bias[0]

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
        head_mask: Tensor | None = None,
        decoder_head_mask: Tensor | None = None,
        cross_attn_head_mask: Tensor | None = None,
        encoder_outputs: Any = None,
        past_key_values: Any = None,
        inputs_embeds: Tensor | None = None,
        decoder_inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        cache_position: Tensor | None = None,
        logits_to_keep: int | Tensor = 0,
        num_items_in_batch: Tensor | int | None = None,
        **kwargs: Any,
    ) -> Seq2SeqLMOutput | tuple[Any, ...]:
        """Shapes: input_ids (b, s); labels (b, t), -100 where a target does not count -> logits (b, t, v).

        `logits_to_keep`: score only that many last tokens (0 is all), or those at these places. The others are those
        of the bare model and of `token_loss`.
        """
        refuse_unknown(self.forward, kwargs)
        if labels is not None:
            use_cache = without_cache(use_cache)
            if decoder_input_ids is None and decoder_inputs_embeds is None:
                decoder_input_ids = self.prepare_decoder_input_ids_from_labels(labels)
        outputs = self.model(
            input_ids,
            attention_mask,
            decoder_input_ids,
            decoder_attention_mask,
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
            cache_position=cache_position,
        )
        logits = self.lm_logits(kept(outputs.last_hidden_state, logits_to_keep))
        loss = None if labels is None else token_loss(logits, labels, num_items_in_batch)
        return as_asked(Seq2SeqLMOutput(loss, logits, **rest_of(outputs)), self.config, return_dict)

    def prepare_inputs_for_generation(
        self,
        decoder_input_ids: Tensor | None = None,
        past_key_values: Any = None,
        attention_mask: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
        head_mask: Tensor | None = None,
        decoder_head_mask: Tensor | None = None,
        cross_attn_head_mask: Tensor | None = None,
        use_cache: bool | None = None,
        encoder_outputs: Any = None,
        *,
        input_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        next_sequence_length: int | None = None,
        is_first_iteration: bool = False,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """The arguments of the next pass: the ids the cache does not know yet, and what stays as it is.

        `input_ids` is another name of `decoder_input_ids`, for which `inputs_embeds` may stand in the first pass.
        """
        ids = decoder_input_ids if input_ids is None else input_ids
        embeds = inputs_embeds if is_first_iteration else None
        new = None if ids is None or embeds is not None else new_ids(ids, past_key_values, next_sequence_length)
        return {
            "input_ids": None,  # the encoder has read them
            "encoder_outputs": encoder_outputs,
            "past_key_values": past_key_values,
            "decoder_input_ids": new,
            "decoder_inputs_embeds": embeds,
            "attention_mask": attention_mask,
            "decoder_attention_mask": decoder_attention_mask,
            "head_mask": head_mask,
            "decoder_head_mask": decoder_head_mask,
            "cross_attn_head_mask": cross_attn_head_mask,
            "use_cache": use_cache,
            **kwargs,
        }

    @staticmethod
    def _reorder_cache(past_key_values: Any, beam_idx: Tensor) -> Any:
        """Rows of a cache in another order; of a tuple a new one, whose source rows are alike and stay."""
        if is_cache(past_key_values):
            past_key_values.reorder_cache(beam_idx)
            return past_key_values
        return tuple((*reordered(layer[:2], beam_idx), *layer[2:]) for layer in past_key_values)
