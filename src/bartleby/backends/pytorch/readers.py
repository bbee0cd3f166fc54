"""The models that judge a text: a label for it, or where in it an answer stands."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from bartleby.backends.pytorch.heads import HeadedModel
from bartleby.backends.pytorch.losses import classification_loss, span_loss
from bartleby.backends.pytorch.model import refuse_unknown
from bartleby.backends.pytorch.outputs import (
    Seq2SeqQuestionAnsweringModelOutput,
    Seq2SeqSequenceClassifierOutput,
    as_asked,
)
from bartleby.backends.pytorch.passing import rest_of, without_cache
from bartleby.errors import ShapeError
from bartleby.family.config import BartConfig, PreTrainedConfig


class ClassificationHead(nn.Module):
    """Dense, tanh, projection, with dropout before each product."""

    def __init__(self, input_dim: int, inner_dim: int, num_classes: int, pooler_dropout: float) -> None:
        super().__init__()
        self.dense = nn.Linear(input_dim, inner_dim)
        self.dropout = nn.Dropout(pooler_dropout)
        self.out_proj = nn.Linear(inner_dim, num_classes)

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Shapes: (b, d) -> (b, num_labels)."""
        return self.out_proj(self.dropout(torch.tanh(self.dense(self.dropout(hidden_states)))))


class SequenceClassification(HeadedModel):
    """A label for a text, read off the decoder's state at its last eos."""

    table_head = "sequence_classification"
    accepts_loss_kwargs = False  # published trainers ask this before they pass `num_items_in_batch`

    def __init__(self, config: BartConfig) -> None:
        super().__init__(config)
        self.num_labels = config.num_labels
        self.classification_head = ClassificationHead(
            config.d_model, config.d_model, config.num_labels, config.classifier_dropout
        )
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
        encoder_outputs: Any = None,
        inputs_embeds: Tensor | None = None,
        decoder_inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        **kwargs: Any,
    ) -> Seq2SeqSequenceClassifierOutput | tuple[Any, ...]:
        """Shapes: input_ids (b, s); labels (b) ints, (b) floats or (b, num_labels) -> logits (b, num_labels)."""
        refuse_unknown(self.forward, kwargs)
        if input_ids is None:
            raise ShapeError("Classification reads the state at the last eos, so it needs `input_ids`, not embeddings.")
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
            use_cache if labels is None else without_cache(use_cache),
            output_attentions,
            output_hidden_states,
            return_dict=True,
        )
        pooled = last_eos_state(outputs.last_hidden_state, input_ids, self.config.eos_token_id)
        logits = self.classification_head(pooled)
        loss = None if labels is None else classification_loss(logits, labels, self.config)
        return as_asked(Seq2SeqSequenceClassifierOutput(loss, logits, **rest_of(outputs)), self.config, return_dict)


class QuestionAnswering(HeadedModel):
    """Where in the text an answer starts and ends."""

    table_head = "question_answering"
    accepts_loss_kwargs = False

    def __init__(self, config: PreTrainedConfig) -> None:
        config.num_labels = 2  # start and end, whatever labels the checkpoint was classifying before
        super().__init__(config)
        self.num_labels = config.num_labels
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
        encoder_outputs: Any = None,
        start_positions: Tensor | None = None,
        end_positions: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        decoder_inputs_embeds: Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        **kwargs: Any,
    ) -> Seq2SeqQuestionAnsweringModelOutput | tuple[Any, ...]:
        """Shapes: input_ids (b, s); positions (b) -> start_logits and end_logits (b, s)."""
        refuse_unknown(self.forward, kwargs)
        taught = start_positions is not None and end_positions is not None
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
            without_cache(use_cache) if taught else use_cache,
            output_attentions,
            output_hidden_states,
            return_dict=True,
        )
        start_logits, end_logits = self.qa_outputs(outputs.last_hidden_state).unbind(dim=-1)
        loss = None
        if start_positions is not None and end_positions is not None:
            loss = (span_loss(start_logits, start_positions) + span_loss(end_logits, end_positions)) / 2
        output = Seq2SeqQuestionAnsweringModelOutput(loss, start_logits, end_logits, **rest_of(outputs))
        return as_asked(output, self.config, return_dict)


def last_eos_state(hidden: Tensor, input_ids: Tensor, eos_token_id: int | list[int] | None) -> Tensor:
    """The state at the last eos of each row; (b, s, d), (b, s) -> (b, d).

    Raises: ShapeError if the rows hold different numbers of eos, or none: their last eos would not mean the same; or
        if the decoder read something of another length.
    """
    if hidden.shape[1] != input_ids.shape[1]:
        raise ShapeError(
            f"The decoder read {hidden.shape[1]} tokens, but the eos is looked for among {input_ids.shape[1]}. "
            "Leave out the decoder inputs: they are made from `input_ids`."
        )
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
