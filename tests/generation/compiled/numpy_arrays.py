"""The array operations of the compiled searches, in NumPy: what tests hold against the definition."""

from __future__ import annotations

from typing import Any

import numpy as np


def number(value: Any) -> Any:
    """In 32 bits, as frameworks have it."""
    value = np.asarray(value)
    narrow = {"int64": np.int32, "float64": np.float32}.get(value.dtype.name)
    return value if narrow is None else value.astype(narrow)


def along_rows(values: Any, index: Any) -> Any:
    return index.reshape(*index.shape, *[1] * (values.ndim - 2))


class NumpyArrays:
    """`Arrays` in NumPy. A length inside the loop is an array, as in frameworks: nothing may take it for an int."""

    minimum, maximum, exp, abs = map(staticmethod, (np.minimum, np.maximum, np.exp, np.abs))
    isnan, isfinite, cumsum = map(staticmethod, (np.isnan, np.isfinite, np.cumsum))
    reshape, broadcast_to = staticmethod(np.reshape), staticmethod(np.broadcast_to)

    def asarray(self, values, dtype):
        return np.asarray(values, dtype=dtype)

    def full(self, shape, value, dtype):
        return np.full(shape, value, dtype=dtype)

    def arange(self, count):
        return np.arange(count, dtype=np.int32)

    def cast(self, values, dtype):
        return np.asarray(values, dtype=dtype)

    def shape(self, values):
        return values.shape

    def concat(self, parts, axis):
        return np.concatenate(parts, axis=axis)

    def where(self, condition, chosen, other):
        return np.where(condition, number(chosen), number(other))

    def log(self, values):
        with np.errstate(divide="ignore"):
            return np.log(values)

    def sum(self, values, axis, keepdims=False):
        return number(np.sum(values, axis=axis, keepdims=keepdims))

    def max(self, values, axis, keepdims=False):
        return np.max(values, axis=axis, keepdims=keepdims)

    def any(self, values, axis, keepdims=False):
        return np.any(values, axis=axis, keepdims=keepdims)

    def argmax(self, values, axis):
        return number(np.argmax(values, axis=axis))

    def all(self, values, axis=None):
        return np.all(values, axis=axis)

    def argsort(self, values):
        return number(np.argsort(values, axis=-1, kind="stable"))

    def top_k(self, values, count):
        places = np.argsort(-values, axis=-1, kind="stable")[..., :count]
        return np.take_along_axis(values, places, axis=-1), number(places)

    def take(self, values, index):
        return np.take_along_axis(values, along_rows(values, index), axis=1)

    def columns(self, values, start, count):
        assert count <= values.shape[-1]
        first = int(np.clip(start, 0, values.shape[-1] - count))
        return values[..., first : first + count]

    def set_column(self, values, column, new):
        values = values.copy()
        values[..., int(column)] = new
        return values

    def put(self, values, places, new):
        values = values.copy()
        np.put_along_axis(values, places, new, axis=1)
        return values

    def add(self, values, places, more):
        values = values.copy()
        np.add.at(values, (np.arange(len(values))[:, None], places), more)
        return values

    def ban(self, values, places, banned):
        values = values.copy()
        rows, columns = np.nonzero(banned)
        values[rows, np.broadcast_to(places, banned.shape)[rows, columns]] = -np.inf
        return values

    def while_loop(self, goes_on, step, state):
        while goes_on(state):
            state = step(state)
        return state
