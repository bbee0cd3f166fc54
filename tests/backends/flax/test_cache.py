import numpy as np
import pytest

from bartleby.errors import ShapeError

pytest.importorskip("flax", reason='the Flax wing is not installed: pip install "bartleby[flax]"')

import jax
import jax.numpy as jnp

from bartleby.backends.flax.cache import LayerCache, from_published, reordered, to_published

ROOM = jnp.zeros((4, 2, 5, 3))
NEW = jax.random.normal(jax.random.PRNGKey(0), (4, 2, 2, 3))


def test_writing_gives_a_new_cache_and_leaves_the_old_one() -> None:
    cache = LayerCache(ROOM, ROOM)
    written = jax.jit(LayerCache.write)(cache, NEW, -NEW, 3)
    np.testing.assert_array_equal(written.keys[:, :, 3:], NEW)
    np.testing.assert_array_equal(written.values[:, :, 3:], -NEW)
    assert not written.keys[:, :, :3].any()
    assert not cache.keys.any()


def test_rows_move_and_sources_stay() -> None:
    keys = jnp.arange(4.0)[:, None, None, None] + ROOM
    source = jnp.ones((2, 2, 7, 3))
    [moved] = reordered((LayerCache(keys, -keys, source, source),), jnp.array([1, 1, 3, 2]))
    assert moved.keys[:, 0, 0, 0].tolist() == [1, 1, 3, 2]
    assert moved.values[:, 0, 0, 0].tolist() == [-1, -1, -3, -2]
    assert moved.source_keys is source


def test_the_published_dict_has_length_before_heads_and_comes_back_unchanged() -> None:
    caches = (LayerCache(NEW, -NEW), LayerCache(2 * NEW, NEW))
    published = to_published(caches, 1)
    entry = published["layers"]["1"]["self_attn"]
    assert entry.keys() == {"cached_key", "cached_value", "cache_index"}
    assert entry["cached_key"].shape == (4, 2, 2, 3)
    np.testing.assert_array_equal(entry["cached_key"], jnp.swapaxes(2 * NEW, 1, 2))
    assert entry["cache_index"].dtype == jnp.int32
    again, index = from_published(published)
    assert int(index) == 1
    jax.tree_util.tree_map(np.testing.assert_array_equal, again, caches)


@pytest.mark.parametrize("wrong", [None, {}, {"layers": {}}, {"layers": {"0": {"self_attn": {}}}}, 5])
def test_anything_else_is_refused(wrong: object) -> None:
    with pytest.raises(ShapeError, match="as `init_cache` makes it"):
        from_published(wrong)
