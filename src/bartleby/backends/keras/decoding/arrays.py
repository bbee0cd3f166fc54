"""The array operations of the compiled searches, on TensorFlow: in graphs, under XLA, and as they come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
from keras import ops

from bartleby.generation.compiled.arrays import Dtype, Length, State

Tensor = Any
LOWEST = float("-inf")


class TensorFlowArrays:
    """`Arrays`, in graphs of TensorFlow. Axes may have sizes that only the running graph knows."""

    def asarray(self, values: Any, dtype: Dtype) -> Tensor:
        return tf.constant(values, dtype)

    def full(self, shape: Sequence[Length], value: float, dtype: Dtype) -> Tensor:
        return tf.fill(list(shape), tf.constant(value, dtype))

    def arange(self, count: Length) -> Tensor:
        return tf.range(count, dtype=tf.int32)

    def cast(self, values: Tensor, dtype: Dtype) -> Tensor:
        return tf.cast(values, dtype)

    def shape(self, values: Tensor) -> tuple[Length, ...]:
        return tuple(ops.shape(values))

    def reshape(self, values: Tensor, shape: Sequence[Length]) -> Tensor:
        return tf.reshape(values, list(shape))

    def broadcast_to(self, values: Tensor, shape: Sequence[Length]) -> Tensor:
        return tf.broadcast_to(values, list(shape))

    def concat(self, parts: Sequence[Tensor], axis: int) -> Tensor:
        return tf.concat(list(parts), axis)

    def where(self, condition: Tensor, chosen: Any, other: Any) -> Tensor:
        return tf.where(condition, chosen, other)

    def minimum(self, one: Tensor, other: Any) -> Tensor:
        return tf.minimum(one, other)

    def maximum(self, one: Tensor, other: Any) -> Tensor:
        return tf.maximum(one, other)

    def exp(self, values: Tensor) -> Tensor:
        return tf.exp(values)

    def log(self, values: Tensor) -> Tensor:
        return tf.math.log(values)

    def abs(self, values: Tensor) -> Tensor:
        return tf.abs(values)

    def isnan(self, values: Tensor) -> Tensor:
        return tf.math.is_nan(values)

    def isfinite(self, values: Tensor) -> Tensor:
        return tf.math.is_finite(values)

    def sum(self, values: Tensor, axis: int, keepdims: bool = False) -> Tensor:
        return tf.reduce_sum(values, axis, keepdims)

    def max(self, values: Tensor, axis: int, keepdims: bool = False) -> Tensor:
        return tf.reduce_max(values, axis, keepdims)

    def any(self, values: Tensor, axis: int, keepdims: bool = False) -> Tensor:
        return tf.reduce_any(values, axis, keepdims)

    def all(self, values: Tensor, axis: int | None = None) -> Tensor:
        return tf.reduce_all(values, axis)

    def cumsum(self, values: Tensor, axis: int) -> Tensor:
        return tf.cumsum(values, axis)

    def argmax(self, values: Tensor, axis: int) -> Tensor:
        numbers = tf.cast(values, tf.int32) if values.dtype == tf.bool else values
        return tf.argmax(numbers, axis, output_type=tf.int32)

    def argsort(self, values: Tensor) -> Tensor:
        return tf.argsort(values, stable=True)

    def top_k(self, values: Tensor, count: int) -> tuple[Tensor, Tensor]:
        best, places = tf.math.top_k(values, count)
        return best, places

    def take(self, values: Tensor, index: Tensor) -> Tensor:
        return tf.gather(values, index, axis=1, batch_dims=1)

    def columns(self, values: Tensor, start: Length, count: int) -> Tensor:
        first = tf.clip_by_value(tf.cast(start, tf.int32), 0, ops.shape(values)[-1] - count)
        return tf.gather(values, first + tf.range(count), axis=-1)  # slices from anywhere are beyond XLA

    def set_column(self, values: Tensor, column: Length, new: Tensor) -> Tensor:
        return tf.where(tf.range(ops.shape(values)[-1]) == column, new[..., None], values)

    def put(self, values: Tensor, places: Tensor, new: Tensor) -> Tensor:
        return tf.tensor_scatter_nd_update(values, _in_rows(places), new)

    def add(self, values: Tensor, places: Tensor, more: Tensor) -> Tensor:
        return tf.tensor_scatter_nd_add(values, _in_rows(places), more)

    def ban(self, values: Tensor, places: Tensor, banned: Tensor) -> Tensor:
        return tf.tensor_scatter_nd_min(values, _in_rows(places), tf.where(banned, LOWEST, -LOWEST))

    def while_loop(self, goes_on: Callable[[State], Tensor], step: Callable[[State], State], state: State) -> State:
        def again(before: State) -> list[State]:
            after = step(before)
            for old, new in zip(tf.nest.flatten(before), tf.nest.flatten(after), strict=True):
                new.set_shape(old.shape)  # which loops must not change, and operations may lose sight of
            return [after]

        return tf.while_loop(goes_on, again, [state])[0]


class StepByStep(TensorFlowArrays):
    """`Arrays`, each operation run as it comes, so that a caller's functions can look at their numbers."""

    def while_loop(self, goes_on: Callable[[State], Tensor], step: Callable[[State], State], state: State) -> State:
        while goes_on(state):
            state = step(state)
        return state


def _in_rows(places: Tensor) -> Tensor:
    """Columns of each row as places in the array: (r, k) -> (r, k, 2)."""
    rows = tf.broadcast_to(tf.range(ops.shape(places)[0])[:, None], ops.shape(places))
    return tf.stack([rows, places], axis=-1)
