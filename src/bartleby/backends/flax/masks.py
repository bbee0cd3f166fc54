"""Masks as attention wants them: a number added to each score. What is hidden from whom: `family/masks.py`."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

LOWEST = float(jnp.finfo(jnp.float32).min) / 2
"""Not -inf: a row of pads alone then spreads its weight instead of becoming NaN. Scores are float32 or wider."""


def padding_bias(attention_mask: Array | None) -> Array | None:
    """What is added to scores so that pads count for nothing: (b, s) -> (b, 1, 1, s)."""
    return None if attention_mask is None else _bias(attention_mask[:, None, None, :] == 0)


def causal_bias(attention_mask: Array | None, start: int | Array, new: int, keys: int) -> Array:
    """What is added to self-attention scores of the `new` tokens that stand at `start` and behind it.

    Shapes: attention_mask (r, keys) of all that is or will be there -> (r or 1, 1, new, keys).
    """
    positions = start + jnp.arange(new)
    hidden_from = (jnp.arange(keys)[None, :] > positions[:, None])[None, None]  # (1, 1, t, keys)
    if attention_mask is not None:
        hidden_from = hidden_from | (attention_mask[:, None, None, :] == 0)
    return _bias(hidden_from)


def _bias(hidden_from: Array) -> Array:
    return jnp.where(hidden_from, LOWEST, 0.0).astype(jnp.float32)
