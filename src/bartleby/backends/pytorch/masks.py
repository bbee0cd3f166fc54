"""Masks as attention wants them: a number added to each score. What is hidden from whom: `family/masks.py`."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from bartleby.errors import ShapeError


def padding_bias(attention_mask: Tensor | None, hidden: Tensor, keys: int | None = None) -> Tensor | None:
    """What is added to scores so that pads count for nothing: (b, s) -> (b, 1, 1, s); 4 axes pass as they are.

    Raises: ShapeError if it does not cover `keys` tokens, by default those of `hidden`.
    """
    if attention_mask is None:
        return None
    if attention_mask.dim() == 4:
        return _given_bias(attention_mask, hidden)
    _check_axes(attention_mask)
    wanted = hidden.shape[1] if keys is None else keys
    covered = attention_mask.shape[1]
    if covered != wanted:
        raise ShapeError(f"`attention_mask` must cover the {wanted} source tokens, but covers {covered}.")
    return _bias(attention_mask[:, None, None, :] == 0, hidden)


def causal_bias(
    attention_mask: Tensor | None, hidden: Tensor, start: int | Tensor, keys: int, explicit: bool
) -> Tensor | None:
    """What is added to self-attention scores of the decoder: (r, past + t) -> (r, 1, t, keys).

    `start` is the position of the first new token, or a tensor (t) with the positions of all: then nothing is read on
    the host, and `keys` may be more than there are so far. None where the kernel's own causal mask says the same,
    unless `explicit`.
    Raises: ShapeError if the mask covers other positions than those before and these.
    """
    new = hidden.shape[1]
    is_plain = isinstance(start, int) and keys == start + new
    if attention_mask is None and not explicit and is_plain and (start == 0 or new == 1):
        return None
    if attention_mask is not None and attention_mask.dim() == 4:
        return _given_bias(attention_mask, hidden)
    places = torch.arange(keys, device=hidden.device)
    positions = start + torch.arange(new, device=hidden.device) if isinstance(start, int) else start
    hidden_from = (places[None, :] > positions[:, None])[None, None]  # (1, 1, t, keys)
    if attention_mask is not None:
        _check_axes(attention_mask)
        covered = attention_mask.shape[1]
        if covered > keys or (is_plain and covered != keys):
            raise ShapeError(f"`attention_mask` must cover the {keys} tokens read before or now, but covers {covered}.")
        seen = F.pad(attention_mask, (0, keys - covered), value=1)  # what is not written yet is in the future
        hidden_from = hidden_from | (seen[:, None, None, :] == 0)
    return _bias(hidden_from, hidden)


def _check_axes(attention_mask: Tensor) -> None:
    if attention_mask.dim() != 2:
        raise ShapeError(f"`attention_mask` must have 2 or 4 axes, but has shape {tuple(attention_mask.shape)}.")


def _given_bias(attention_mask: Tensor, hidden: Tensor) -> Tensor:
    """A mask of a caller's with 4 axes: of truths, True where to look, or already numbers to add."""
    return _bias(~attention_mask, hidden) if attention_mask.dtype == torch.bool else attention_mask


def _bias(ignored: Tensor, hidden: Tensor) -> Tensor:
    """A hugely negative number where `ignored`: a row of pads alone then spreads its weight instead of becoming NaN.

    Half of the most negative one, to which a score can be added without leaving the range of a half.
    """
    device = hidden.device.type
    is_autocast = torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)
    dtype = torch.get_autocast_dtype(device) if is_autocast else hidden.dtype
    lowest = torch.finfo(dtype).min / 2
    return torch.zeros(ignored.shape, dtype=dtype, device=hidden.device).masked_fill(ignored, lowest)
