"""One seed for every source of chance."""

from __future__ import annotations

import random

import numpy as np
import torch


def set_seed(seed: int, deterministic: bool = False) -> None:
    """Seed `random`, NumPy and PyTorch on every device: what follows can be repeated.

    `deterministic` also makes PyTorch choose only algorithms that always give the same result, or refuse.
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)  # all that NumPy's generator takes
    torch.manual_seed(seed)
    if deterministic:
        torch.use_deterministic_algorithms(True)
