"""The past that a pass gives back and takes: one tensor (2, r, h, t, k) a layer, or tuples of tensors as well."""

from __future__ import annotations

from typing import Any

from keras import ops

from bartleby.backends.keras.layers import LayerCache
from bartleby.errors import ShapeError

Tensor = Any


def published_past(caches: tuple[LayerCache, ...]) -> tuple[Tensor, ...]:
    """Keys and values of the target, stacked; those of the source are made again from its states."""
    return tuple(ops.stack([cache.keys, cache.values]) for cache in caches)


def read_past(past: Any, layers: int) -> tuple[LayerCache, ...]:
    """What a caller gives back, layer by layer.

    A tensor (2, r, h, t, k) or a pair (keys, values) is of the target; four tensors are of the target and the source.
    Raises: ShapeError if it is nothing of the kind, or of another number of layers.
    """
    if _length(past) != layers:
        raise ShapeError(f"`past_key_values` must hold one entry for each of {layers} layers, but is {_told(past)}.")
    return tuple(_read_layer(past[index], index) for index in range(layers))


def check_rows(past: tuple[LayerCache, ...] | None, hidden: Tensor) -> None:
    """Raises: ShapeError unless the past is of as many rows as the states (r, t, d)."""
    rows = None if past is None else past[0].keys.shape[0]
    if rows is not None and hidden.shape[0] not in (rows, None):
        raise ShapeError(f"The past is of {rows} rows, but {hidden.shape[0]} are given. Start without a past.")


def _read_layer(entry: Any, index: int) -> LayerCache:
    count = _length(entry)
    if count not in (2, 4):
        raise ShapeError(
            f"`past_key_values[{index}]` must be a tensor (2, batch, heads, length, width) or 2 or 4 tensors (batch, "
            f"heads, length, width), but is {_told(entry)}."
        )
    return LayerCache(*(entry[place] for place in range(count)))


def _length(value: Any) -> int | None:
    """How many things it holds, a tensor along its first axis; None if it is no such thing."""
    if isinstance(value, tuple | list):
        return len(value)
    shape: Any = getattr(value, "shape", ())
    return shape[0] if len(shape) else None


def _told(value: Any) -> str:
    shape = getattr(value, "shape", None)
    if shape is not None:
        return f"of shape {tuple(shape)}"
    return f"a {type(value).__name__}" + (f" of {len(value)}" if isinstance(value, tuple | list | dict) else "")
