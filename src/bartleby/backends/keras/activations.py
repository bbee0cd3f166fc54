"""The activation functions a configuration may name, in Keras. Definition: `family/activations.py`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
from keras import ops

from bartleby.errors import ConfigError

Tensor = Any


def quick_gelu(hidden: Tensor) -> Tensor:
    """GELU by way of a sigmoid."""
    return hidden * ops.sigmoid(1.702 * hidden)


gelu = partial(ops.gelu, approximate=False)
gelu_tanh = partial(ops.gelu, approximate=True)

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": gelu,
    "gelu_python": gelu,
    "gelu_new": gelu_tanh,
    "gelu_fast": gelu_tanh,
    "gelu_pytorch_tanh": gelu_tanh,
    "quick_gelu": quick_gelu,
    "relu": ops.relu,
    "relu6": ops.relu6,
    "leaky_relu": partial(ops.leaky_relu, negative_slope=0.01),
    "silu": ops.silu,
    "swish": ops.silu,
    "mish": keras.activations.mish,
    "tanh": ops.tanh,
    "sigmoid": ops.sigmoid,
    "linear": keras.activations.linear,
}

ACT2FN = ACTIVATIONS
"""The published name of the table."""


def get_tf_activation(activation_string: str) -> Callable[[Tensor], Tensor]:
    """The function of a name.

    Raises: ConfigError naming those there are.
    """
    if activation_string not in ACTIVATIONS:
        known = ", ".join(ACTIVATIONS)
        raise ConfigError(f"`activation_string` must be one of {known}, but is {activation_string!r}.")
    return ACTIVATIONS[activation_string]
