"""What scripts ask the reference library about their surroundings."""

from __future__ import annotations

from importlib.util import find_spec


def is_torch_available() -> bool:
    """Whether PyTorch is installed; nothing is imported to find out."""
    return find_spec("torch") is not None


def is_tokenizers_available() -> bool:
    """Always: the package needs that library."""
    return find_spec("tokenizers") is not None


def is_accelerate_available() -> bool:
    """Whether accelerate is installed."""
    return find_spec("accelerate") is not None


def is_tf_available() -> bool:
    """Whether TensorFlow is installed."""
    return find_spec("tensorflow") is not None


def is_flax_available() -> bool:
    """Whether JAX and Flax are installed."""
    return find_spec("jax") is not None and find_spec("flax") is not None
