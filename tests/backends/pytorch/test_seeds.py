"""One seed repeats every kind of chance."""

import random

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='needs PyTorch. Run: pip install "bartleby[torch]"')

from bartleby.backends.pytorch.seeds import set_seed  # noqa: E402  after the skip


def draws():
    return random.random(), np.random.random(), torch.rand(()).item(), torch.nn.functional.dropout(torch.ones(64)).sum()


@pytest.mark.parametrize("seed", [0, 7, 2**40])
def test_everything_drawn_is_repeated(seed):
    set_seed(seed)
    first = draws()
    assert draws() != first
    set_seed(seed)
    assert draws() == first


def test_only_repeatable_algorithms_may_be_asked_for():
    try:
        set_seed(0, deterministic=True)
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(False)
