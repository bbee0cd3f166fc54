from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch.cache import Cache, DynamicCache, EncoderDecoderCache, StaticCache  # noqa: E402

MAKERS: list[Callable[[], Cache]] = [DynamicCache, lambda: StaticCache(6)]
both = pytest.mark.parametrize("make", MAKERS, ids=["dynamic", "static"])


def states(rows: int, length: int, seed: int = 0) -> Any:
    return torch.randn(rows, 2, length, 3, generator=torch.Generator().manual_seed(seed))


@both
def test_what_was_put_in_comes_out_in_order(make: Callable[[], Cache]) -> None:
    cache, parts = make(), [states(2, 3, 1), states(2, 1, 2), states(2, 2, 3)]
    for part in parts:
        keys, values = cache.update(part, -part, 0)
    assert torch.equal(keys, torch.cat(parts, dim=2))
    assert torch.equal(values, -keys)
    assert (cache.get_seq_length(), len(cache)) == (6, 1)


@both
@pytest.mark.parametrize("rows", [[1, 0], [0, 0], [1], [0, 0, 1, 1], [1, 1, 0]])
def test_rows_may_be_swapped_repeated_and_dropped(make: Callable[[], Cache], rows: list[int]) -> None:
    cache, first, more = make(), states(2, 3), states(len(rows), 1)
    cache.update(first, -first, 0)
    cache.reorder_cache(torch.tensor(rows))
    keys, values = cache.update(more, -more, 0)
    assert torch.equal(keys, torch.cat([first[rows], more], dim=2))
    assert torch.equal(values, -keys)


@both
def test_layers_are_apart(make: Callable[[], Cache]) -> None:
    cache = make()
    cache.update(states(1, 2), states(1, 2), 1)
    assert [cache.get_seq_length(layer) for layer in (0, 1, 2)] == [0, 2, 0]
    assert len(cache) == 2
    assert cache.layers[0].keys is None


@both
def test_an_empty_cache_can_be_reordered(make: Callable[[], Cache]) -> None:
    cache = make()
    cache.reorder_cache(torch.tensor([0]))
    assert cache.get_seq_length() == 0


def test_a_static_cache_writes_into_memory_it_already_has() -> None:
    cache = StaticCache(6)
    before, _ = cache.update(states(2, 2), states(2, 2), 0)
    after, _ = cache.update(states(2, 1), states(2, 1), 0)
    assert after.untyped_storage().data_ptr() == before.untyped_storage().data_ptr()
    cache.reorder_cache(torch.tensor([1, 0]))
    swapped, _ = cache.update(states(2, 1), states(2, 1), 0)
    assert swapped.untyped_storage().data_ptr() == before.untyped_storage().data_ptr()


def test_the_two_caches_of_a_decoder_count_and_reorder_together() -> None:
    cross = DynamicCache()
    cross.update(states(2, 5), states(2, 5), 0)
    cache = EncoderDecoderCache(DynamicCache(), cross)
    assert (cache.get_seq_length(), len(cache), cache.is_updated) == (0, 0, {0: True})
    cache.self_attention_cache.update(states(2, 3), states(2, 3), 0)
    cache.reorder_cache(torch.tensor([1]))
    assert cache.get_seq_length() == 3
    assert [layer.keys.shape[0] for part in (cache.self_attention_cache, cross) for layer in part.layers] == [1, 1]
