"""The models that judge a text: a label for it, or where in it an answer stands."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from bartleby.backends.keras.heads import HeadedModel
from bartleby.backends.keras.inputs import unpack_inputs
from bartleby.backends.keras.layers import Linear, dropped
from bartleby.backends.keras.losses import classification_loss, span_loss
from bartleby.backends.keras.outputs import (
    TFSeq2SeqQuestionAnsweringModelOutput,
    TFSeq2SeqSequenceClassifierOutput,
    as_asked,
    rest_of,
)
from bartleby.backends.keras.portable import IS_TENSORFLOW, dtype_of, is_concrete, may_have_shape
from bartleby.errors import ShapeError
from bartleby.family.config import BartConfig, PreTrainedConfig

Tensor = Any


class ClassificationHead(keras.layers.Layer):
    """Dense, tanh, projection, with dropout before each product."""

    def __init__(
        self,
        inner_dim: int,
        num_classes: int,
        pooler_dropout: float,
        std: float = 0.02,
        name: str = "classification_head",
    ) -> None:
        super().__init__(name=name)
        self.pooler_dropout = pooler_dropout
        with keras.name_scope(name):
            self.dense = Linear(inner_dim, inner_dim, std, "dense")
            self.out_proj = Linear(inner_dim, num_classes, std, "out_proj")
        self.built = True

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Shapes: (b, d) -> (b, num_labels)."""
        inner = ops.tanh(self.dense.call(dropped(inputs, self.pooler_dropout, training)))
        return self.out_proj.call(dropped(inner, self.pooler_dropout, training))


class SequenceClassification(HeadedModel):
    """A label for a text, read off the decoder's state at its last eos."""

    table_head = "sequence_classification"

    def __init__(self, config: BartConfig, *arguments: Any, **named: Any) -> None:
        super().__init__(config, *arguments, **named)
        self.num_labels = config.num_labels
        with keras.name_scope(self.name):
            self.classification_head = ClassificationHead(
                config.d_model, config.num_labels, config.classifier_dropout, config.init_std
            )

    def hf_compute_loss(self, labels: Tensor, logits: Tensor) -> Tensor:
        """The loss of each row; (b) or (b, num_labels), (b, num_labels) -> (b)."""
        return classification_loss(labels, logits, self.config)

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
    ) -> TFSeq2SeqSequenceClassifierOutput | tuple[Any, ...]:
        """Shapes: input_ids (b, s); labels (b) ints, (b) floats or (b, num_labels) -> logits (b, num_labels)."""
        if input_ids is None:
            raise ShapeError("Classification reads the state at the last eos, so it needs `input_ids`, not embeddings.")
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
            use_cache if labels is None else False,
            output_attentions,
            output_hidden_states,
            return_dict=True,
            training=training,
        )
        pooled = last_eos_state(outputs.last_hidden_state, input_ids, self.config.eos_token_id)
        logits = self.classification_head.call(pooled, training)
        loss = None if labels is None else self.hf_compute_loss(labels, logits)
        return as_asked(TFSeq2SeqSequenceClassifierOutput(loss, logits, **rest_of(outputs)), self.config, return_dict)


class QuestionAnswering(HeadedModel):
    """Where in the text an answer starts and ends."""

    table_head = "question_answering"

    def __init__(self, config: PreTrainedConfig, *arguments: Any, **named: Any) -> None:
        config.num_labels = 2  # start and end, whatever labels the checkpoint was classifying before
        super().__init__(config, *arguments, **named)
        self.num_labels = config.num_labels
        with keras.name_scope(self.name):
            self.qa_outputs = Linear(config.d_model, 2, config.init_std, "qa_outputs")

    def hf_compute_loss(self, labels: Mapping[str, Tensor], logits: tuple[Tensor, Tensor]) -> Tensor:
        """The mean of the losses of both ends; labels are `start_position` and `end_position`; -> (1)."""
        start, end = span_loss(labels["start_position"], logits[0]), span_loss(labels["end_position"], logits[1])
        return (start + end) / 2

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
        start_positions: Tensor | None = None,
        end_positions: Tensor | None = None,
        training: bool = False,
    ) -> TFSeq2SeqQuestionAnsweringModelOutput | tuple[Any, ...]:
        """Shapes: input_ids (b, s); positions (b) -> start_logits and end_logits (b, s)."""
        taught = start_positions is not None and end_positions is not None
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
            False if taught else use_cache,
            output_attentions,
            output_hidden_states,
            return_dict=True,
            training=training,
        )
        scores = self.qa_outputs.call(outputs.last_hidden_state)
        logits = scores[..., 0], scores[..., 1]
        labels = {"start_position": start_positions, "end_position": end_positions}
        loss = self.hf_compute_loss(labels, logits) if taught else None
        output = TFSeq2SeqQuestionAnsweringModelOutput(loss, *logits, **rest_of(outputs))
        return as_asked(output, self.config, return_dict)


def last_eos_state(hidden: Tensor, input_ids: Tensor, eos_token_id: int | list[int] | None) -> Tensor:
    """The state at the last eos of each row; (b, s, d), (b, s) -> (b, d).

    Raises: ShapeError if the rows hold different numbers of eos, or none: their last eos would not mean the same; or
        if the decoder read something of another length. In a graph, what only its run can tell is asserted there.
    """
    if not may_have_shape(hidden, (None, input_ids.shape[1], None)):
        raise ShapeError(
            f"The decoder read {hidden.shape[1]} tokens, but the eos is looked for among {input_ids.shape[1]}. "
            "Leave out the decoder inputs: they are made from `input_ids`."
        )
    eos = ops.convert_to_tensor(np.ravel([] if eos_token_id is None else eos_token_id), dtype_of(input_ids))
    is_eos = ops.any(ops.equal(input_ids[:, :, None], eos), axis=-1)
    counts = ops.sum(ops.cast(is_eos, "int32"), axis=1)
    fault = (
        f"Every row must hold the same number of eos tokens (id {eos_token_id}), at least one. "
        "Encode with special tokens, and pad with `pad_token_id`."
    )
    if is_concrete(counts):
        found = ops.convert_to_numpy(counts).tolist()
        if len(set(found)) != 1 or found[0] == 0:
            raise ShapeError(f"{fault} The rows hold {found}.")
        return _at_last(hidden, is_eos)
    is_even = ops.logical_and(ops.all(ops.equal(counts, counts[0])), counts[0] > 0)
    if not IS_TENSORFLOW:  # which alone can raise from within a graph
        return ops.where(is_even, _at_last(hidden, is_eos), math.nan)
    with tf.control_dependencies([tf.debugging.Assert(is_even, [fault, counts])]):
        return _at_last(hidden, is_eos)


def _at_last(hidden: Tensor, places: Tensor) -> Tensor:
    """The state at the last of these places of each row."""
    behind = ops.arange(1, ops.shape(places)[1] + 1, dtype="int32")
    last = ops.argmax(ops.cast(places, "int32") * behind, axis=1)
    return ops.take_along_axis(hidden, last[:, None, None], axis=1)[:, 0]
