"""What the heads are taught with: one number for each label that counts, in nats or squares; their mean is the loss."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow.python.ops import control_flow_util

from bartleby.backends.keras.portable import require_tensorflow
from bartleby.errors import ShapeError, VocabularyError
from bartleby.family.config import PreTrainedConfig
from bartleby.family.masks import IGNORED_LABEL

Tensor = Any


def token_loss(labels: Tensor, logits: Tensor) -> Tensor:
    """Cross-entropy of the labels that are not -100.

    How many there are is not known beforehand, which XLA cannot have: compiled, their mean comes back instead.
    Shapes: (b, t), (b, t, v) -> (n), or (1) compiled by XLA.
    Raises: ShapeError if there is not one label for each token that was scored, VocabularyError for labels that no
        token has, where they can be looked at.
    """
    require_tensorflow("A loss")
    if not labels.shape.is_compatible_with(logits.shape[:2]):
        raise ShapeError(
            f"`labels` must have one label for each scored token, {tuple(logits.shape[:2])}, but have shape "
            f"{tuple(labels.shape)}."
        )
    counts = tf.not_equal(labels, IGNORED_LABEL)
    if fault := _outside(tf.where(counts, labels, 0), logits):
        raise VocabularyError(f"`labels` must be -100 or token ids {fault}. Use the tokenizer of this checkpoint.")
    if is_compiled():
        return _mean_where(counts, _cross_entropy(tf.where(counts, labels, 0), logits))
    return _cross_entropy(tf.boolean_mask(labels, counts), tf.boolean_mask(logits, counts))


def classification_loss(labels: Tensor, logits: Tensor, config: PreTrainedConfig) -> Tensor:
    """The loss of `config.problem_type`, which is settled by the labels where the configuration leaves it open.

    Shapes: labels (b) ints, (b) floats or (b, num_labels), logits (b, num_labels) -> (b).
    Raises: ShapeError for classes that there are no scores of, where the labels can be looked at.
    """
    require_tensorflow("A loss")
    if config.problem_type is None:
        if config.num_labels == 1:
            config.problem_type = "regression"
        elif labels.dtype.is_integer:
            config.problem_type = "single_label_classification"
        else:
            config.problem_type = "multi_label_classification"
    scores = _exact(logits)
    if config.problem_type == "single_label_classification":
        if fault := _outside(labels, scores):
            raise ShapeError(f"`labels` must be classes {fault}. Make the model with more `num_labels`.")
        return _cross_entropy(tf.reshape(labels, (-1,)), scores)
    targets = tf.cast(labels, scores.dtype)
    if config.problem_type == "regression":
        return tf.reduce_mean(tf.square(scores - tf.reshape(targets, tf.shape(scores))), axis=-1)
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(targets, scores), axis=-1)


def span_loss(positions: Tensor, logits: Tensor) -> Tensor:
    """Mean cross-entropy of one end of an answer; a position past the text is of an answer cut off, and ignored.

    Shapes: positions (b) or (b, 1), logits (b, s) -> (1), since the two ends may ignore different rows.
    """
    require_tensorflow("A loss")
    places, length = tf.reshape(positions, (-1,)), tf.shape(logits)[1]
    is_inside = places < length
    losses = _cross_entropy(tf.where(is_inside, places, 0), logits)
    return _mean_where(is_inside, losses)


def mean_loss(losses: Tensor) -> Tensor:
    """What training makes smaller; 0 where nothing counts."""
    return tf.math.divide_no_nan(tf.reduce_sum(losses), tf.cast(tf.size(losses), losses.dtype))


def _mean_where(counts: Tensor, losses: Tensor) -> Tensor:
    """The mean of the losses that count, 0 where none does; (1)."""
    number = tf.cast(tf.math.count_nonzero(counts), losses.dtype)
    return tf.math.divide_no_nan(tf.reduce_sum(tf.where(counts, losses, 0)), number)[None]


def _outside(labels: Tensor, logits: Tensor) -> str | None:
    """What is wrong with labels that have no score, outside of graphs.

    In graphs TensorFlow refuses them itself; XLA and devices that cannot make the loss NaN.
    """
    if not isinstance(labels, tf.__internal__.EagerTensor) or not labels.shape.num_elements():
        return None
    low, high, most = int(tf.reduce_min(labels)), int(tf.reduce_max(labels)), logits.shape[-1] - 1
    return None if low >= 0 and high <= most else f"from 0 to {most}, but are between {low} and {high}"


def is_compiled() -> bool:
    """Whether the graph being built is for XLA."""
    # Not a public name, but TensorFlow has no other way to tell.
    found: bool = control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph())
    return found


def _exact(logits: Tensor) -> Tensor:
    return tf.cast(logits, tf.float32) if logits.dtype in (tf.float16, tf.bfloat16) else logits


def _cross_entropy(labels: Tensor, logits: Tensor) -> Tensor:
    return tf.nn.sparse_softmax_cross_entropy_with_logits(tf.cast(labels, tf.int32), _exact(logits))
