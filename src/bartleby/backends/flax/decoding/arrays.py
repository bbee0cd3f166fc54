"""The array operations of the compiled searches, on JAX."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from bartleby.generation.compiled.arrays import Dtype, Length, State


class JaxArrays:
    """`Arrays`, in programs that JAX compiles."""

    minimum, maximum = staticmethod(jnp.minimum), staticmethod(jnp.maximum)
    exp, log, abs = staticmethod(jnp.exp), staticmethod(jnp.log), staticmethod(jnp.abs)
    isnan, isfinite = staticmethod(jnp.isnan), staticmethod(jnp.isfinite)

    def asarray(self, values: Any, dtype: Dtype) -> Array:
        return jnp.asarray(values, dtype)

    def full(self, shape: Sequence[Length], value: float, dtype: Dtype) -> Array:
        return jnp.full(shape, value, dtype)

    def arange(self, count: Length) -> Array:
        return jnp.arange(count, dtype="int32")

    def cast(self, values: Array, dtype: Dtype) -> Array:
        return jnp.asarray(values, dtype)

    def shape(self, values: Array) -> tuple[int, ...]:
        return values.shape

    def concat(self, parts: Sequence[Array], axis: int) -> Array:
        return jnp.concatenate(parts, axis)

    def reshape(self, values: Array, shape: Sequence[Length]) -> Array:
        return jnp.reshape(values, shape)

    def broadcast_to(self, values: Array, shape: Sequence[Length]) -> Array:
        return jnp.broadcast_to(values, shape)

    def max(self, values: Array, axis: int, keepdims: bool = False) -> Array:
        return jnp.max(values, axis, keepdims=keepdims)

    def any(self, values: Array, axis: int, keepdims: bool = False) -> Array:
        return jnp.any(values, axis, keepdims=keepdims)

    def all(self, values: Array, axis: int | None = None) -> Array:
        return jnp.all(values, axis)

    def cumsum(self, values: Array, axis: int) -> Array:
        return jnp.cumsum(values, axis)

    def where(self, condition: Array, chosen: Any, other: Any) -> Array:
        return jnp.where(condition, chosen, other)

    def sum(self, values: Array, axis: int, keepdims: bool = False) -> Array:
        return jnp.sum(values, axis, dtype=values.dtype, keepdims=keepdims)

    def argmax(self, values: Array, axis: int) -> Array:
        return jnp.argmax(values, axis).astype("int32")

    def argsort(self, values: Array) -> Array:
        places = lax.broadcasted_iota("int32", values.shape, values.ndim - 1)
        return lax.sort((values, places), num_keys=1, is_stable=True)[1]

    def top_k(self, values: Array, count: int) -> tuple[Array, Array]:
        best, places = lax.top_k(values, count)
        return best, places

    def take(self, values: Array, index: Array) -> Array:
        return jax.vmap(lambda own, places: own.at[places].get(mode="promise_in_bounds"))(values, index)

    def columns(self, values: Array, start: Length, count: int) -> Array:
        first = jnp.maximum(start, 0)  # what is too far on the right is kept inside by the slice itself
        return lax.dynamic_slice_in_dim(values, first, count, axis=-1)

    def set_column(self, values: Array, column: Length, new: Array) -> Array:
        return lax.dynamic_update_slice_in_dim(values, new[..., None].astype(values.dtype), column, axis=-1)

    def put(self, values: Array, places: Array, new: Array) -> Array:
        return values.at[_rows_of(values), places].set(new)

    def add(self, values: Array, places: Array, more: Array) -> Array:
        return values.at[_rows_of(values), places].add(more)

    def ban(self, values: Array, places: Array, banned: Array) -> Array:
        outside = values.shape[1]
        return values.at[_rows_of(values), jnp.where(banned, places, outside)].set(-jnp.inf, mode="drop")

    def while_loop(self, goes_on: Callable[[State], Array], step: Callable[[State], State], state: State) -> State:
        return lax.while_loop(goes_on, step, state)


class StepByStep(JaxArrays):
    """`Arrays`, each operation run as it comes, so that a caller's functions can look at their numbers."""

    def while_loop(self, goes_on: Callable[[State], Array], step: Callable[[State], State], state: State) -> State:
        while goes_on(state):
            state = step(state)
        return state


def _rows_of(values: Array) -> Array:
    return jnp.arange(values.shape[0], dtype="int32")[:, None]
