"""The activation functions a configuration may name, in PyTorch. Definition: `family/activations.py`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bartleby.errors import ConfigError


def quick_gelu(hidden: Tensor) -> Tensor:
    """GELU by way of a sigmoid; a function with a name, because models are pickled."""
    return hidden * torch.sigmoid(1.702 * hidden)


gelu_tanh = partial(F.gelu, approximate="tanh")

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "gelu_python": F.gelu,
    "gelu_new": gelu_tanh,
    "gelu_fast": gelu_tanh,
    "gelu_pytorch_tanh": gelu_tanh,
    "quick_gelu": quick_gelu,
    "relu": F.relu,
    "relu6": F.relu6,
    "leaky_relu": F.leaky_relu,
    "silu": F.silu,
    "swish": F.silu,
    "mish": F.mish,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "linear": nn.Identity(),
}


class Activation(nn.Module):
    """One of them as a layer, for `nn.Sequential` and the like."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def forward(self, hidden: Tensor) -> Tensor:
        return ACTIVATIONS[self.name](hidden)

    def extra_repr(self) -> str:
        return repr(self.name)


ACT2FN = {name: Activation(name) for name in ACTIVATIONS}
"""The published table; layers without weights or state can be used in many places."""


def get_activation(activation_string: str) -> Activation:
    """The layer of a name.

    Raises: ConfigError naming those there are.
    """
    if activation_string not in ACT2FN:
        raise ConfigError(f"`activation_string` must be one of {', '.join(ACT2FN)}, but is {activation_string!r}.")
    return ACT2FN[activation_string]
