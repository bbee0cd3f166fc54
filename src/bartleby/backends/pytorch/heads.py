"""The five models that can stand on the two stacks: bare, conditional generation, sequence classification, question
answering and causal LM. models.py binds each to the published names.
"""

from __future__ import annotations

import copy
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bartleby.backends.pytorch.cache import Cache, EncoderDecoderCache
from bartleby.backends.pytorch.generation import GenerationMixin
from bartleby.backends.pytorch.modeling import Decoder, Encoder, TokenEmbedding, token_embedding
from bartleby.backends.pytorch.outputs import (
    BaseModelOutput,
    CausalLMOutputWithCrossAttentions,
    Seq2SeqLMOutput,
    Seq2SeqModelOutput,
    Seq2SeqQuestionAnsweringModelOutput,
    Seq2SeqSequenceClassifierOutput,
    as_asked,
)
from bartleby.backends.pytorch.pretrained import PreTrainedModel
from bartleby.errors import ConfigError, ShapeError
from bartleby.family.architecture import architecture_of
from bartleby.family.config import BartConfig, PreTrainedConfig

Past = Cache | EncoderDecoderCache
IGNORED_LABEL = -100


def shift_tokens_right(input_ids: Tensor, pad_token_id: int | None, decoder_start_token_id: int | None) -> Tensor:
    """Teacher-forcing input: ids moved one place right, behind the start token; (b, t) -> (b, t), -100 becomes pad."""
    if pad_token_id is None or decoder_start_token_id is None:
        raise ConfigError(
            "Moving labels right needs `pad_token_id` and `decoder_start_token_id`; the config lacks one."
        )
    start = torch.full_like(input_ids[:, :1], decoder_start_token_id)
    shifted = torch.cat([start, input_ids[:, :-1]], dim=1)
    return shifted.masked_fill(shifted == IGNORED_LABEL, pad_token_id)


class Seq2SeqModel(PreTrainedModel):
    """Encoder and decoder over one token table, without a head."""

    head = "none"

    def __init__(self, config: PreTrainedConfig) -> None:
        super().__init__(config)
        self.shared = token_embedding(config)
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.post_init()

    def tie_weights(self) -> None:
        if self.config.tie_word_embeddings:
            self.encoder.embed_tokens.weight = self.shared.weight
            self.decoder.embed_tokens.weight = self.shared.weight

    def get_encoder(self) -> Encoder:
        return self.encoder

    def get_decoder(self) -> Decoder:
        return self.decoder

    def get_input_embeddings(self) -> TokenEmbedding:
        return self.shared

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
        head_mask: Tensor | None = None,
        decoder_head_mask: Tensor | None = None,
        cross_attn_head_mask: Tensor | None = None,
        encoder_outputs: BaseModelOutput | tuple[Any, ...] | None = None,
        past_key_values: Past | None = None,
        inputs_embeds: Tensor | None = None,
        decoder_inputs_embeds: Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
    ) -> Seq2SeqModelOutput | tuple[Any, ...]:
        """Shapes: input_ids (b, s), decoder_input_ids (b, t) -> last_hidden_state (b, t, d)."""
        if decoder_input_ids is None and decoder_inputs_embeds is None:
            decoder_input_ids = self._target_from_source(input_ids)
        recorded = {"output_attentions": output_attentions, "output_hidden_states": output_hidden_states}
        if encoder_outputs is None:
            encoded = self.encoder(input_ids, attention_mask, head_mask, inputs_embeds, **recorded, return_dict=True)
        else:
            encoded = (
                BaseModelOutput(*encoder_outputs) if isinstance(encoder_outputs, tuple | list) else encoder_outputs
            )
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

    def _target_from_source(self, input_ids: Tensor | None) -> Tensor:
        if not architecture_of(self.config.model_type).target_from_source:
            raise ShapeError("This model needs `decoder_input_ids` or `decoder_inputs_embeds`, but was given neither.")
        if input_ids is None:
            raise ShapeError("Decoder inputs can be made from `input_ids` only, but none were given.")
        return shift_tokens_right(input_ids, self.config.pad_token_id, self.config.decoder_start_token_id)


class HeadedModel(PreTrainedModel):
    """A head over the bare model, which lives under `model`."""

    bare_class: ClassVar[type[Seq2SeqModel]]

    def __init__(self, config: PreTrainedConfig) -> None:
        super().__init__(config)
        self.model = self.bare_class(config)

    def get_encoder(self) -> Encoder:
        return self.model.encoder

    def get_decoder(self) -> Decoder:
        return self.model.decoder

    def get_input_embeddings(self) -> TokenEmbedding:
        return self.model.shared

    def tie_weights(self) -> None:
        self.model.tie_weights()


class ConditionalGeneration(HeadedModel, GenerationMixin):
    """A distribution over the next token: summaries, replies, filled masks."""

    head = "conditional_generation"

    def __init__(self, config: PreTrainedConfig) -> None:
        super().__init__(config)
        self.final_logits_bias: Tensor
        self.register_buffer("final_logits_bias", torch.zeros(1, config.vocab_size))
        self.lm_head = nn.Linear(config.d_model, config.vocab_size, bias=False)
        self.post_init()

    def tie_weights(self) -> None:
        super().tie_weights()
        if self.config.tie_word_embeddings:
            self.lm_head.weight = self.model.shared.weight

    def get_output_embeddings(self) -> nn.Linear:
        return self.lm_head

    def prepare_decoder_input_ids_from_labels(self, labels: Tensor) -> Tensor:
        """The decoder inputs that teach `labels`; (b, t) -> (b, t)."""
        return shift_tokens_right(labels, self.config.pad_token_id, self.config.decoder_start_token_id)

    def logits(self, hidden: Tensor) -> Tensor:
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
        encoder_outputs: BaseModelOutput | tuple[Any, ...] | None = None,
        past_key_values: Past | None = None,
        inputs_embeds: Tensor | None = None,
        decoder_inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
    ) -> Seq2SeqLMOutput | tuple[Any, ...]:
        """Shapes: input_ids (b, s); labels (b, t), -100 where a target does not count -> logits (b, t, v)."""
        if labels is not None:
            use_cache = False
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
        )
        logits = self.logits(outputs.last_hidden_state)
        loss = None if labels is None else token_loss(logits, labels)
        return as_asked(Seq2SeqLMOutput(loss, logits, **_rest(outputs)), self.config, return_dict)


class ClassificationHead(nn.Module):
    """Dense, tanh, projection, with dropout before each product."""

    def __init__(self, config: BartConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.d_model, config.d_model)
        self.dropout = nn.Dropout(config.classifier_dropout)
        self.out_proj = nn.Linear(config.d_model, config.num_labels)

    def forward(self, pooled: Tensor) -> Tensor:
        """Shapes: (b, d) -> (b, num_labels)."""
        return self.out_proj(self.dropout(torch.tanh(self.dense(self.dropout(pooled)))))


class SequenceClassification(HeadedModel):
    """A label for a text, read off the decoder's state at its last eos."""

    head = "sequence_classification"

    def __init__(self, config: BartConfig) -> None:
        super().__init__(config)
        self.classification_head = ClassificationHead(config)
        self.post_init()

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
        head_mask: Tensor | None = None,
        decoder_head_mask: Tensor | None = None,
        cross_attn_head_mask: Tensor | None = None,
        encoder_outputs: BaseModelOutput | tuple[Any, ...] | None = None,
        inputs_embeds: Tensor | None = None,
        decoder_inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
    ) -> Seq2SeqSequenceClassifierOutput | tuple[Any, ...]:
        """Shapes: input_ids (b, s); labels (b) ints, (b) floats or (b, num_labels) -> logits (b, num_labels)."""
        if input_ids is None:
            raise ShapeError("Classification reads the state at the last eos, so it needs `input_ids`, not embeddings.")
        use_cache = False if labels is not None else use_cache
        outputs = self.model(
            input_ids,
            attention_mask,
            decoder_input_ids,
            decoder_attention_mask,
            head_mask,
            decoder_head_mask,
            cross_attn_head_mask,
            encoder_outputs,
            None,
            inputs_embeds,
            decoder_inputs_embeds,
            use_cache,
            output_attentions,
            output_hidden_states,
            return_dict=True,
        )
        pooled = last_eos_state(outputs.last_hidden_state, input_ids, self.config.eos_token_id)
        logits = self.classification_head(pooled)
        loss = None if labels is None else classification_loss(logits, labels, self.config)
        return as_asked(Seq2SeqSequenceClassifierOutput(loss, logits, **_rest(outputs)), self.config, return_dict)


class QuestionAnswering(HeadedModel):
    """Where in the text an answer starts and ends."""

    head = "question_answering"

    def __init__(self, config: PreTrainedConfig) -> None:
        config.num_labels = 2  # start and end, whatever labels the checkpoint was classifying before
        super().__init__(config)
        self.qa_outputs = nn.Linear(config.d_model, 2)
        self.post_init()

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
        head_mask: Tensor | None = None,
        decoder_head_mask: Tensor | None = None,
        cross_attn_head_mask: Tensor | None = None,
        encoder_outputs: BaseModelOutput | tuple[Any, ...] | None = None,
        start_positions: Tensor | None = None,
        end_positions: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        decoder_inputs_embeds: Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
    ) -> Seq2SeqQuestionAnsweringModelOutput | tuple[Any, ...]:
        """Shapes: input_ids (b, s); positions (b) -> start_logits and end_logits (b, s)."""
        taught = start_positions is not None and end_positions is not None
        use_cache = False if taught else use_cache
        outputs = self.model(
            input_ids,
            attention_mask,
            decoder_input_ids,
            decoder_attention_mask,
            head_mask,
            decoder_head_mask,
            cross_attn_head_mask,
            encoder_outputs,
            None,
            inputs_embeds,
            decoder_inputs_embeds,
            use_cache,
            output_attentions,
            output_hidden_states,
            return_dict=True,
        )
        start_logits, end_logits = self.qa_outputs(outputs.last_hidden_state).unbind(dim=-1)
        loss = None
        if start_positions is not None and end_positions is not None:
            loss = (span_loss(start_logits, start_positions) + span_loss(end_logits, end_positions)) / 2
        output = Seq2SeqQuestionAnsweringModelOutput(loss, start_logits, end_logits, **_rest(outputs))
        return as_asked(output, self.config, return_dict)


class DecoderOnly(nn.Module):
    """Holds the decoder under the name it has in a full checkpoint."""

    def __init__(self, config: PreTrainedConfig) -> None:
        super().__init__()
        self.decoder = Decoder(config)


class CausalLM(GenerationMixin):
    """The decoder alone, as a language model; it looks at encoder states where they are given."""

    head = "causal_lm"

    def __init__(self, config: PreTrainedConfig) -> None:
        config = copy.deepcopy(config)
        config.is_decoder, config.is_encoder_decoder = True, False
        super().__init__(config)
        self.model = DecoderOnly(config)
        self.lm_head = nn.Linear(config.d_model, config.vocab_size, bias=False)
        self.post_init()

    def tie_weights(self) -> None:
        if self.config.tie_word_embeddings:
            self.lm_head.weight = self.model.decoder.embed_tokens.weight

    def get_decoder(self) -> Decoder:
        return self.model.decoder

    def get_input_embeddings(self) -> TokenEmbedding:
        return self.model.decoder.embed_tokens

    def get_output_embeddings(self) -> nn.Linear:
        return self.lm_head

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores of every token; (…, d) -> (…, v)."""
        scores: Tensor = self.lm_head(hidden)
        return scores

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        encoder_hidden_states: Tensor | None = None,
        encoder_attention_mask: Tensor | None = None,
        head_mask: Tensor | None = None,
        cross_attn_head_mask: Tensor | None = None,
        past_key_values: Past | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
    ) -> CausalLMOutputWithCrossAttentions | tuple[Any, ...]:
        """Shapes: input_ids (b, t); labels (b, t), not moved, -100 where they do not count -> logits (b, t, v)."""
        outputs = self.model.decoder(
            input_ids,
            attention_mask,
            encoder_hidden_states,
            encoder_attention_mask,
            head_mask,
            cross_attn_head_mask,
            past_key_values,
            inputs_embeds,
            use_cache,
            output_attentions,
            output_hidden_states,
            return_dict=True,
        )
        logits = self.logits(outputs.last_hidden_state)
        loss = None if labels is None else token_loss(logits, labels)
        return as_asked(CausalLMOutputWithCrossAttentions(loss, logits, **_rest(outputs)), self.config, return_dict)


def token_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy over the labels that are not -100. Shapes: (b, t, v), (b, t) -> scalar, nats."""
    return F.cross_entropy(logits.flatten(0, 1), labels.flatten().to(logits.device))


def last_eos_state(hidden: Tensor, input_ids: Tensor, eos_token_id: int | list[int] | None) -> Tensor:
    """The state at the last eos of each row; (b, s, d), (b, s) -> (b, d).

    Raises: ShapeError if the rows hold different numbers of eos, or none: their last eos would not mean the same.
    """
    eos = torch.tensor([] if eos_token_id is None else eos_token_id, device=input_ids.device)
    is_eos = torch.isin(input_ids, eos)
    counts = is_eos.sum(dim=1)
    if int(counts.min()) != int(counts.max()) or int(counts.min()) == 0:
        raise ShapeError(
            f"Every row must hold the same number of eos tokens (id {eos_token_id}), at least one, but the rows hold "
            f"{counts.tolist()}. Encode with special tokens, and pad with `pad_token_id`."
        )
    places = torch.arange(input_ids.shape[1], device=input_ids.device)
    last = (is_eos * places).argmax(dim=1)
    return hidden[torch.arange(len(hidden), device=hidden.device), last.to(hidden.device)]


def classification_loss(logits: Tensor, labels: Tensor, config: PreTrainedConfig) -> Tensor:
    """The loss of `config.problem_type`, which is settled by the labels where the configuration leaves it open."""
    labels = labels.to(logits.device)
    if config.problem_type is None:
        if config.num_labels == 1:
            config.problem_type = "regression"
        elif labels.dtype in (torch.long, torch.int):
            config.problem_type = "single_label_classification"
        else:
            config.problem_type = "multi_label_classification"
    if config.problem_type == "regression":
        return F.mse_loss(logits.squeeze(), labels.squeeze())
    if config.problem_type == "single_label_classification":
        return F.cross_entropy(logits, labels.view(-1))
    return F.binary_cross_entropy_with_logits(logits, labels)


def span_loss(logits: Tensor, positions: Tensor) -> Tensor:
    """Cross-entropy of one end of an answer; a position past the text is an answer that was cut off, and ignored.

    Shapes: logits (b, s), positions (b) or (b, 1) -> scalar.
    """
    ignored = logits.shape[1]
    return F.cross_entropy(logits, positions.reshape(-1).clamp(0, ignored), ignore_index=ignored)


def _rest(outputs: Seq2SeqModelOutput) -> dict[str, Any]:
    """What a head passes on from the bare model's output."""
    return {name: value for name, value in outputs.items() if name != "last_hidden_state"}
