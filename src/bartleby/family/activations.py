"""The activation functions a configuration may name, in NumPy: the definition each wing's own must match."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.polynomial import chebyshev

Floats = npt.NDArray[np.floating[Any]]


def erf(x: Floats) -> Floats:
    """The error function, which NumPy lacks; within 2e-15 in float64, 4e-7 in float32."""
    size = np.minimum(np.abs(x), _ERF_END)
    t = 1 / (1 + 0.5 * size)
    tail = t * np.exp(np.polyval(_ERF_COEFFICIENTS.astype(x.dtype), (2 * t - 1.25) / 0.75) - size * size)
    return np.asarray(np.copysign(1 - tail, x))


def _erf_coefficients(degree: int) -> Floats:
    """A polynomial for log(erfc(x) / t) + x², smooth in t = 1 / (1 + x / 2), from the standard library's erfc."""

    u = chebyshev.chebpts1(degree + 1)  # -1 .. 1, which is t in 1/4 .. 1 and x in 6 .. 0
    t = (0.75 * u + 1.25) / 2
    x = 2 / t - 2
    target = np.array([math.log(math.erfc(value)) for value in x]) + x * x - np.log(t)
    return np.asarray(chebyshev.cheb2poly(chebyshev.chebfit(u, target, degree))[::-1])


_ERF_END = 6  # beyond it erf is 1 in float64
_ERF_COEFFICIENTS = _erf_coefficients(18)


def sigmoid(x: Floats) -> Floats:
    """1 / (1 + exp(-x)), by the hyperbolic tangent so that no exponential overflows."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)))


def gelu(x: Floats) -> Floats:
    """x times the probability that a standard normal number is below it (arXiv 1606.08415)."""
    return np.asarray(0.5 * x * (1 + erf(x / math.sqrt(2))))


def gelu_new(x: Floats) -> Floats:
    """The hyperbolic-tangent approximation of gelu."""
    return np.asarray(0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))))


def relu(x: Floats) -> Floats:
    return np.maximum(x, 0)


def silu(x: Floats) -> Floats:
    """x times its sigmoid (arXiv 1702.03118)."""
    return x * sigmoid(x)


def mish(x: Floats) -> Floats:
    """x times the tanh of its softplus (arXiv 1908.08681)."""
    return x * np.tanh(np.logaddexp(x, 0))


ACTIVATIONS: dict[str, Callable[[Floats], Floats]] = {
    "gelu": gelu,
    "gelu_python": gelu,
    "gelu_new": gelu_new,
    "gelu_fast": gelu_new,
    "gelu_pytorch_tanh": gelu_new,
    "quick_gelu": lambda x: x * sigmoid(1.702 * x),
    "relu": relu,
    "relu6": lambda x: np.clip(x, 0, 6),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "silu": silu,
    "swish": silu,
    "mish": mish,
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "linear": lambda x: x,
}
