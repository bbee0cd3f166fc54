"""Masks as attention wants them: a number added to each score. What is hidden from whom: `family/masks.py`."""

from __future__ import annotations

from typing import Any

import ml_dtypes
from keras import ops

from bartleby.backends.keras.portable import dtype_of, rank_of
from bartleby.errors import ShapeError

Tensor = Any
Size = Any
"""Of an axis: an int, or a scalar tensor where only the running graph knows it."""


def padding_bias(attention_mask: Tensor | None, hidden: Tensor, sources: tuple[Size, Size]) -> Tensor | None:
    """What is added to scores so that pads count for nothing: (b, s) -> (b, 1, 1, s); 4 axes pass as they are.

    `sources`: how many there are, and of how many tokens.
    Raises: ShapeError if the mask covers others.
    """
    if attention_mask is None:
        return None
    if rank_of(attention_mask) == 4:
        return _given_bias(attention_mask, hidden)
    rows, keys = sources
    _check_axes(attention_mask, rows)
    covered = attention_mask.shape[1]
    if isinstance(keys, int) and covered is not None and covered != keys:
        raise ShapeError(f"`attention_mask` must cover the {keys} source tokens, but covers {covered}.")
    return _bias(_pads(attention_mask)[:, None, None, :], hidden)


def causal_bias(attention_mask: Tensor | None, hidden: Tensor, start: Size, keys: Size) -> Tensor | None:
    """What is added to self-attention scores of the decoder: (r, past + t) -> (1 or r, 1, t, keys).

    `start` is the position of the first new token. `keys` may be more than there are so far: the mask may cover all of
    them or only those up to the new ones, what lies behind is in the future. None where a token sees all there is.
    Raises: ShapeError if the mask covers other positions than those before and these.
    """
    new = ops.shape(hidden)[1]
    is_last = isinstance(start, int) and isinstance(new, int) and new == 1 and keys is not None and keys == start + 1
    if attention_mask is None and is_last:
        return None
    if attention_mask is not None and rank_of(attention_mask) == 4:
        return _given_bias(attention_mask, hidden)
    places = ops.arange(keys, dtype="int32")
    hidden_from = (places[None, :] > (start + ops.arange(new, dtype="int32"))[:, None])[None, None]  # (1, 1, t, keys)
    if attention_mask is not None:
        _check_axes(attention_mask, ops.shape(hidden)[0])
        pads = _pads(_covering(attention_mask, start, new, keys))
        hidden_from = ops.logical_or(hidden_from, pads[:, None, None, :])
    return _bias(hidden_from, hidden)


def _covering(attention_mask: Tensor, start: Size, new: Size, keys: Size) -> Tensor:
    """The mask (r, keys): what is not written yet is in the future, whatever is said of it."""
    covered = ops.shape(attention_mask)[1]
    if not (isinstance(covered, int) and isinstance(keys, int)):
        return _padded(attention_mask, keys - covered)
    read = start + new if isinstance(start, int) and isinstance(new, int) else None
    if covered > keys or (read is not None and covered < read):
        wanted = keys if read is None else read
        raise ShapeError(f"`attention_mask` must cover the {wanted} tokens read before or now, but covers {covered}.")
    return attention_mask if covered == keys else _padded(attention_mask, keys - covered)


def _padded(attention_mask: Tensor, more: Size) -> Tensor:
    return ops.pad(ops.cast(attention_mask, "int32"), [[0, 0], [0, more]])


def _pads(attention_mask: Tensor) -> Tensor:
    """Where a mask of whole numbers, of truths or of floats says that no token is."""
    return ops.logical_not(ops.cast(attention_mask, "bool"))


def _check_axes(attention_mask: Tensor, rows: Size) -> None:
    """One mask is not taken for all rows: whoever gives one row has mostly forgotten the others."""
    if rank_of(attention_mask) != 2:
        raise ShapeError(f"`attention_mask` must have 2 or 4 axes, but has shape {tuple(attention_mask.shape)}.")
    given = attention_mask.shape[0]
    if isinstance(rows, int) and given is not None and given != rows:
        raise ShapeError(f"`attention_mask` must have a row for each of the {rows} rows of tokens, but has {given}.")


def _given_bias(attention_mask: Tensor, hidden: Tensor) -> Tensor:
    """A mask of a caller's with 4 axes: of truths, True where to look, or already numbers to add."""
    if dtype_of(attention_mask) == "bool":
        return _bias(ops.logical_not(attention_mask), hidden)
    return ops.cast(attention_mask, dtype_of(hidden))


def _bias(ignored: Tensor, hidden: Tensor) -> Tensor:
    """A hugely negative number where `ignored`: a row of pads alone then spreads its weight instead of becoming NaN.

    Half of the most negative one, to which a score can be added without leaving the range of a half.
    """
    dtype = dtype_of(hidden)
    lowest = float(ml_dtypes.finfo(dtype).min) / 2
    return ops.where(ignored, ops.convert_to_tensor(lowest, dtype), ops.convert_to_tensor(0.0, dtype))
