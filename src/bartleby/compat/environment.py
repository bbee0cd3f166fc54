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
    """Never: this release has no TensorFlow models."""
    return False


def is_flax_available() -> bool:
    """Never: this release has no Flax models."""
    return False
