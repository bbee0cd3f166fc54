"""Masks as attention wants them: a number added to each score. What is hidden from whom: `family/masks.py`."""

from __future__ import annotations

import torch
from torch import Tensor

from bartleby.errors import ShapeError


def padding_bias(attention_mask: Tensor | None, hidden: Tensor) -> Tensor | None:
    """What is added to scores so that pads count for nothing: (b, s) -> (b, 1, 1, s); 4 axes pass as they are."""
    if attention_mask is None:
        return None
    if attention_mask.dim() == 4:
        return attention_mask
    if attention_mask.dim() != 2:
        raise ShapeError(f"`attention_mask` must have 2 or 4 axes, but has shape {tuple(attention_mask.shape)}.")
    return _bias(attention_mask[:, None, None, :] == 0, hidden)


def causal_bias(attention_mask: Tensor | None, hidden: Tensor, past: int, explicit: bool) -> Tensor | None:
    """What is added to self-attention scores of the decoder: (r, past + t) -> (r, 1, t, past + t).

    None where the kernel's own causal mask says the same, unless `explicit`.
    """
    new = hidden.shape[1]
    if attention_mask is None and not explicit and (past == 0 or new == 1):
        return None
    if attention_mask is not None and attention_mask.dim() == 4:
        return attention_mask
    places = torch.arange(past + new, device=hidden.device)
    hidden_from = (places[None, :] > places[past:, None])[None, None]  # (1, 1, t, past + t)
    if attention_mask is not None:
        hidden_from = hidden_from | (attention_mask[:, None, None, :] == 0)
    return _bias(hidden_from, hidden)


def _bias(ignored: Tensor, hidden: Tensor) -> Tensor:
    """The most negative number where `ignored`: a row of pads alone then spreads its weight instead of becoming NaN."""
    device = hidden.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden.dtype
    return torch.zeros(ignored.shape, dtype=dtype, device=hidden.device).masked_fill(ignored, torch.finfo(dtype).min)
