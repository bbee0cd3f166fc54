"""The activation functions a configuration may name, in JAX. Definition: `family/activations.py`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array, nn


def quick_gelu(hidden: Array) -> Array:
    """GELU by way of a sigmoid."""
    return hidden * nn.sigmoid(1.702 * hidden)


def mish(hidden: Array) -> Array:
    """Times the tanh of its softplus."""
    return hidden * jnp.tanh(nn.softplus(hidden))


def linear(hidden: Array) -> Array:
    return hidden


gelu: Callable[[Array], Array] = partial(nn.gelu, approximate=False)
gelu_tanh: Callable[[Array], Array] = partial(nn.gelu, approximate=True)

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "gelu": gelu,
    "gelu_python": gelu,
    "gelu_new": gelu_tanh,
    "gelu_fast": gelu_tanh,
    "gelu_pytorch_tanh": gelu_tanh,
    "quick_gelu": quick_gelu,
    "relu": nn.relu,
    "relu6": nn.relu6,
    "leaky_relu": nn.leaky_relu,
    "silu": nn.silu,
    "swish": nn.silu,
    "mish": mish,
    "tanh": jnp.tanh,
    "sigmoid": jax.nn.sigmoid,
    "linear": linear,
}

ACT2FN = ACTIVATIONS
"""The published name of the table."""
