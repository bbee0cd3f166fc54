from typing import Any

import pytest

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch.decoding.noise import SeededNoise, SharedNoise  # noqa: E402
from tests.backends.pytorch.decoding.drifting import (  # noqa: E402
    CPU,
)


def test_what_a_source_draws_does_not_depend_on_the_others() -> None:
    def noise(sources: list[int]) -> Any:
        return SeededNoise(7, sources, CPU)(torch.arange(len(sources)), 2, 3)

    assert torch.equal(noise([0, 1, 2])[2], noise([2])[0])
    assert not torch.equal(noise([0, 1])[0], noise([0, 1])[1])


def test_shared_noise_draws_for_sources_that_are_finished_too() -> None:
    torch.manual_seed(3)
    whole = SharedNoise(3)(torch.tensor([0, 1, 2]), 1, 4)
    torch.manual_seed(3)
    assert torch.equal(SharedNoise(3)(torch.tensor([2]), 1, 4)[0], whole[2])
