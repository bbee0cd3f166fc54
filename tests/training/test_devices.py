import os

import pytest
import torch

from bartleby.errors import OptionError
from bartleby.training.devices import (
    Precision,
    denormals_flushed,
    random_numbers_of,
    shards_asked_of_accelerate,
)

CPU = torch.device("cpu")


def test_float16_needs_a_gpu() -> None:
    with pytest.raises(OptionError, match=r"`precision` cannot be fp16 on cpu: .* Choose bf16 or no\."):
        Precision("fp16", CPU)


def test_a_launcher_that_was_told_another_precision_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "fp16")
    with pytest.raises(OptionError, match="`precision` is bf16, but `accelerate launch` was told fp16"):
        Precision("bf16", CPU)
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    Precision("bf16", CPU)


@pytest.mark.parametrize(("name", "dtype"), [("no", torch.float32), ("bf16", torch.bfloat16)])
def test_products_are_in_the_precision_asked_for(name: str, dtype: torch.dtype) -> None:
    with Precision(name, CPU).autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype


def test_a_wish_to_shard_is_heard_here_and_not_by_accelerate(monkeypatch: pytest.MonkeyPatch) -> None:
    shards_asked_of_accelerate.cache_clear()
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    try:
        assert [shards_asked_of_accelerate() for _ in range(2)] == [True, True]
        assert "ACCELERATE_USE_FSDP" not in os.environ
    finally:
        shards_asked_of_accelerate.cache_clear()


def test_numbers_too_small_are_zeros_only_meanwhile() -> None:
    tiny = torch.tensor(1e-40)  # smaller than any normal float32
    with denormals_flushed():
        assert float(tiny * 0.5) == 0
    assert float(tiny * 0.5) > 0


def test_random_numbers_go_on_as_if_nothing_had_been_drawn() -> None:
    torch.manual_seed(3)
    wanted = torch.rand(2)
    torch.manual_seed(3)
    with random_numbers_of(CPU):
        torch.manual_seed(99)
        torch.rand(5)
    assert torch.equal(torch.rand(2), wanted)
