"""What Keras has no one name for on all backends, or a slower one on TensorFlow; else a pass is all `keras.ops`.

The tested backend is TensorFlow. A forward pass runs on JAX too; what does not says so: `require_tensorflow`.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from bartleby.errors import OptionError

Tensor = Any
Sizes = tuple[Any, ...]

BACKEND: str = keras.backend.backend()
IS_TENSORFLOW = BACKEND == "tensorflow"


def require_tensorflow(what: str) -> None:
    """Raises: OptionError if Keras runs on another backend."""
    if not IS_TENSORFLOW:
        raise OptionError(
            f"{what} needs Keras to run on TensorFlow, but it runs on {BACKEND}. Set the environment variable "
            "KERAS_BACKEND=tensorflow before Python starts."
        )


def refuse_unknown_backend() -> None:
    """Raises: OptionError on a backend that cannot hold a model: PyTorch takes no layer names with dots in them."""
    if BACKEND not in ("tensorflow", "jax"):
        require_tensorflow("A model")


def is_concrete(tensor: Tensor) -> bool:
    """Whether its numbers can be looked at: not while a graph is built."""
    if IS_TENSORFLOW:
        return tf.executing_eagerly() and isinstance(tensor, tf.__internal__.EagerTensor)
    try:
        ops.convert_to_numpy(tensor)
    except (TypeError, ValueError):  # JAX's own way of saying that it traces
        return False
    return True


def dtype_of(tensor: Tensor) -> str:
    """Its name, the same on every backend."""
    name: str = keras.backend.standardize_dtype(tensor.dtype)
    return name


def is_whole(tensor: Tensor) -> bool:
    """Whether it holds whole numbers, by its type."""
    return "int" in dtype_of(tensor)


def rank_of(tensor: Tensor) -> int | None:
    """How many axes; None where a graph does not know."""
    sizes = _sizes(tensor)
    return None if sizes is None else len(sizes)


def may_have_shape(tensor: Tensor, wanted: Sizes) -> bool:
    """Whether it can have these sizes; None, here or there, is any size."""
    sizes = _sizes(tensor)
    if sizes is None:
        return True
    return len(sizes) == len(wanted) and all(
        size == other for size, other in zip(sizes, wanted, strict=True) if size is not None and other is not None
    )


def _sizes(tensor: Tensor) -> Sizes | None:
    shape = tensor.shape
    return None if getattr(shape, "rank", 0) is None else tuple(shape)


def times_transposed(left: Tensor, right: Tensor) -> Tensor:
    """(…, i, k), (…, j, k) -> (…, i, j); TensorFlow then need not write the transposed tensor anywhere."""
    if IS_TENSORFLOW:
        return tf.matmul(left, right, transpose_b=True)
    return ops.matmul(left, ops.swapaxes(right, -1, -2))


def softmax(scores: Tensor) -> Tensor:
    """Weights of the last axis. Keras' own warns where there is one token to look at, as in a first step."""
    return tf.nn.softmax(scores) if IS_TENSORFLOW else ops.exp(ops.log_softmax(scores, axis=-1))


def drop(hidden: Tensor, rate: float) -> Tensor:
    """Some of it zero, the rest scaled up; by the framework's own chance, so that its seed decides."""
    return tf.nn.dropout(hidden, rate) if IS_TENSORFLOW else keras.random.dropout(hidden, rate)


def chance() -> Tensor:
    """A number between 0 and 1, (); drawn anew in every run of a graph."""
    return tf.random.uniform(()) if IS_TENSORFLOW else keras.random.uniform(())
