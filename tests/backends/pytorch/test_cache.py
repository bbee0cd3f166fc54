import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from bartleby.errors import OptionError, ShapeError
from tests.parity.random_models import small_bart

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch.cache import (  # noqa: E402
    Cache,
    DynamicCache,
    EncoderDecoderCache,
    StaticCache,
    adopted,
    keys_to_come,
)

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


def filled(rows: int = 2) -> EncoderDecoderCache:
    return EncoderDecoderCache.from_legacy_cache(
        [
            tuple(states(rows, length, 4 * layer + place) for place, length in enumerate((3, 3, 5, 5)))
            for layer in (0, 1)
        ]
    )


def test_tuples_become_caches_and_caches_tuples() -> None:
    cache = filled()
    assert (cache.get_seq_length(), cache.cross_attention_cache.get_seq_length(1)) == (3, 5)
    assert cache.is_updated == {0: True, 1: True}
    past = cache.to_legacy_cache()
    assert isinstance(past, tuple)
    assert [len(layer) for layer in past] == [4, 4]
    assert torch.equal(past[1][2], states(2, 5, 6))
    own = DynamicCache.from_legacy_cache([layer[:2] for layer in past])
    assert [len(layer) for layer in own] == [2, 2]
    assert torch.equal(own[0][1], past[0][1])
    alone = EncoderDecoderCache.from_legacy_cache(own)
    assert [len(layer) for layer in alone.to_legacy_cache()] == [2, 2]
    assert len(EncoderDecoderCache.from_legacy_cache()) == len(DynamicCache.from_legacy_cache()) == 0


def test_a_cache_reads_like_a_tuple() -> None:
    cache = filled()
    assert cache[0][0].shape == (2, 2, 3, 3)
    assert cache[-1][3].shape == (2, 2, 5, 3)
    assert len(list(cache)) == len(cache) == 2
    with pytest.raises(IndexError):
        cache[2]
    assert [keys.shape[2] for keys in cache.key_cache] == [3, 3]
    assert torch.equal(cache.cross_attention_cache.value_cache[0], states(2, 5, 3))


@pytest.mark.parametrize(("length", "held"), [(2, 2), (-1, 2), (0, 3), (9, 3), (-9, 0)])
def test_the_end_is_cut_off_the_target_and_not_the_source(length: int, held: int) -> None:
    cache = filled()
    cache.crop(length)
    assert cache.get_seq_length() == held
    assert cache.cross_attention_cache.get_seq_length() == 5


def test_rows_are_repeated_picked_and_forgotten() -> None:
    cache = filled()
    cache.batch_repeat_interleave(2)
    assert cache.batch_size == 4
    assert torch.equal(cache[0][2], states(2, 5, 2).repeat_interleave(2, 0))
    cache.batch_select_indices(torch.tensor([3]))
    assert torch.equal(cache[1][0], states(2, 3, 4)[1:])
    cache.reset()
    assert cache.get_seq_length() == 0
    assert not any(cache.is_updated.values())


@pytest.mark.parametrize("again", [copy.deepcopy, lambda cache: pickle.loads(pickle.dumps(cache))])
@pytest.mark.parametrize("make", [filled, lambda: filled().self_attention_cache, lambda: static_filled()])
def test_caches_can_be_copied_and_sent(again: Callable[[Any], Any], make: Callable[[], Any]) -> None:
    cache = make()
    other = again(cache)
    assert type(other) is type(cache)
    cache.reset()
    assert other.get_seq_length() == 3
    assert torch.equal(other[0][0], states(2, 3))


def static_filled() -> StaticCache:
    cache = StaticCache(6)
    cache.update(states(2, 3), states(2, 3), 0)
    return cache


def test_torch_walks_into_caches() -> None:
    doubled = torch.utils._pytree.tree_map(lambda leaf: leaf * 2, filled())
    assert isinstance(doubled, EncoderDecoderCache)
    assert torch.equal(doubled[1][3], states(2, 5, 7) * 2)


def test_a_cache_is_put_together_from_those_of_several_devices() -> None:
    gathered = EncoderDecoderCache(
        tuple(torch.cat(tensors) for tensors in zip(*layers, strict=True))
        for layers in zip(filled(), filled(), strict=True)
    )
    assert gathered.batch_size == 4
    assert [len(layer) for layer in gathered] == [4, 4]


def test_a_static_cache_is_built_in_the_ways_of_all_releases() -> None:
    config = small_bart(decoder_layers=3)
    for cache in (StaticCache(config, 7), StaticCache(config=config, max_cache_len=7)):
        assert (len(cache), cache.get_max_length(), cache.max_cache_len, cache.is_initialized) == (3, 7, 7, False)
    assert StaticCache(7).get_max_cache_shape() == 7
    taken = StaticCache(config, max_cache_len=7, max_batch_size=2, dtype=torch.float16)
    assert taken.is_initialized
    assert taken.is_compileable
    keys, _ = taken.update(
        torch.ones(2, 2, 1, 8).half(), torch.ones(2, 2, 1, 8).half(), 2, {"cache_position": torch.tensor([4])}
    )
    assert keys.shape == (2, 2, 7, 8)
    assert float(keys.sum()) == float(keys[:, :, 4].sum()) == 32


def test_what_a_cache_cannot_be_is_refused() -> None:
    for make in (DynamicCache, lambda **options: StaticCache(3, **options)):
        with pytest.raises(OptionError, match="`offloading` must be False"):
            make(offloading=True)
    with pytest.raises(OptionError, match="`max_cache_len` must be given"):
        StaticCache(small_bart())
    with pytest.raises(OptionError, match="how long a StaticCache"):
        StaticCache.from_legacy_cache(())
    with pytest.raises(OptionError, match="made of a cache for self-attention and one for the source"):
        EncoderDecoderCache(DynamicCache(), 3)
    with pytest.raises(ShapeError, match="must be a cache, or 2 or 4 tensors for each layer, but is tuple"):
        adopted(((1, 2, 3),))


def test_lengths_are_told_under_all_published_names() -> None:
    cache = filled()
    assert cache.seen_tokens == cache.get_usable_length(1) == 3
    assert cache.get_max_length() == cache.get_max_cache_shape() == -1
    assert cache.get_mask_sizes(2) == (5, 0)
    assert static_filled().get_usable_length(4) == 2
    assert DynamicCache().batch_size == -1
    assert "length=3" in repr(cache)


def test_how_many_keys_come_back_is_known_before() -> None:
    assert keys_to_come(None, 4, None) == 4
    assert keys_to_come(filled(), 4, None) == 7
    assert keys_to_come(static_filled(), 2, None) == 5
    assert keys_to_come(static_filled(), 2, torch.tensor([3, 4])) == 6
