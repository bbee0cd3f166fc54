"""The linen modules that judge a text: a label for it, or where in it an answer stands."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax import Array

from bartleby.backends.flax.heads import HeadedModel, rest_of
from bartleby.backends.flax.outputs import (
    FlaxSeq2SeqModelOutput,
    FlaxSeq2SeqQuestionAnsweringModelOutput,
    FlaxSeq2SeqSequenceClassifierOutput,
)
from bartleby.errors import ShapeError
from bartleby.family.config import PreTrainedConfig


class ClassificationHead(nn.Module):
    """Dense, tanh, projection, with dropout before each product."""

    config: PreTrainedConfig
    dtype: Any = jnp.float32

    def setup(self) -> None:
        config = self.config
        dense = partial(nn.Dense, dtype=self.dtype, kernel_init=nn.initializers.normal(config.init_std))
        self.dense, self.out_proj = dense(config.d_model), dense(config.num_labels)
        self.dropout = nn.Dropout(getattr(config, "classifier_dropout", 0.0))  # a field of BART's only

    def __call__(self, hidden_states: Array, deterministic: bool = True) -> Array:
        """Shapes: (b, d) -> (b, num_labels)."""
        inner = jnp.tanh(self.dense(self.dropout(hidden_states, deterministic)))
        return self.out_proj(self.dropout(inner, deterministic))


class SequenceClassification(HeadedModel):
    """A label for a text, read off the decoder's state at its last eos."""

    table_head = "sequence_classification"

    def setup(self) -> None:
        super().setup()
        self.classification_head = ClassificationHead(self.config, self.dtype)

    def _read(
        self, outputs: FlaxSeq2SeqModelOutput, input_ids: Array, deterministic: bool
    ) -> FlaxSeq2SeqSequenceClassifierOutput:
        pooled = last_eos_state(outputs.last_hidden_state, input_ids, self.config.eos_token_id)
        return FlaxSeq2SeqSequenceClassifierOutput(self.classification_head(pooled, deterministic), **rest_of(outputs))


class QuestionAnswering(HeadedModel):
    """Where in the text an answer starts and ends."""

    table_head = "question_answering"

    def setup(self) -> None:
        super().setup()
        initializer = nn.initializers.normal(self.config.init_std)
        self.qa_outputs = nn.Dense(2, dtype=self.dtype, kernel_init=initializer)  # start and end

    def _read(
        self, outputs: FlaxSeq2SeqModelOutput, input_ids: Array, deterministic: bool
    ) -> FlaxSeq2SeqQuestionAnsweringModelOutput:
        scores = self.qa_outputs(outputs.last_hidden_state)
        return FlaxSeq2SeqQuestionAnsweringModelOutput(scores[..., 0], scores[..., 1], **rest_of(outputs))


def last_eos_state(hidden: Array, input_ids: Array, eos_token_id: int | list[int] | None) -> Array:
    """The state at the last eos of each row; (b, s, d), (b, s) -> (b, d).

    Raises: ShapeError if the decoder read something of another length; where the ids can be looked at, also if the
        rows hold different numbers of eos, or none: their last eos would not mean the same.
    """
    if hidden.shape[:2] != input_ids.shape:
        raise ShapeError(
            f"The decoder read {hidden.shape[1]} tokens, but the eos is looked for among {input_ids.shape[1]}. "
            "Leave out the decoder inputs: they are made from `input_ids`."
        )
    eos = jnp.asarray([] if eos_token_id is None else eos_token_id, jnp.int32).reshape(-1)
    is_eos = (input_ids[..., None] == eos).any(-1)
    if not isinstance(is_eos, jax.core.Tracer):
        _check_counts(np.asarray(is_eos).sum(axis=1), eos_token_id)
    last = (is_eos * jnp.arange(input_ids.shape[1])).argmax(axis=1)
    return jnp.take_along_axis(hidden, last[:, None, None], axis=1)[:, 0]


def _check_counts(counts: np.ndarray, eos_token_id: int | list[int] | None) -> None:
    if counts.min() != counts.max() or counts.min() == 0:
        raise ShapeError(
            f"Every row must hold the same number of eos tokens (id {eos_token_id}), at least one, but the rows hold "
            f"{counts.tolist()}. Encode with special tokens, and pad with `pad_token_id`."
        )
