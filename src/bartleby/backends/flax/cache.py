"""What a decoder remembers: keys and values of a fixed length, as a pure value that every step returns anew.

Layers compute on `LayerCache`; the published nested dict of `init_cache` and `decode` is made from it and read into it
at the edge, by `to_published` and `from_published`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array, lax

from bartleby.errors import ShapeError

Caches = tuple["LayerCache", ...]


class LayerCache(NamedTuple):
    """Of one layer. Shapes: keys, values (r, h, T, k), T the length there is room for; of the source (b, h, s, k),
    where b divides r, or None for a decoder that has no source or whose source is read anew.
    """

    keys: Array
    values: Array
    source_keys: Array | None = None
    source_values: Array | None = None

    def write(self, keys: Array, values: Array, start: int | Array) -> LayerCache:
        """With the new keys and values (r, h, t, k) at `start` and behind it."""
        place = (0, 0, start, 0)
        return self._replace(
            keys=lax.dynamic_update_slice(self.keys, keys.astype(self.keys.dtype), place),
            values=lax.dynamic_update_slice(self.values, values.astype(self.values.dtype), place),
        )


def reordered(caches: Caches, rows: Array) -> Caches:
    """Row i becomes what row `rows[i]` was; keys of sources stay, since rows move only among those of one source."""
    return tuple(cache._replace(keys=cache.keys[rows], values=cache.values[rows]) for cache in caches)


def to_published(caches: Caches, index: int | Array) -> dict[str, Any]:
    """The dict of the decoder's layers that 4.37 calls `cache`; `index` tokens are in it."""
    return {"layers": {str(layer): {"self_attn": _entry(cache, index)} for layer, cache in enumerate(caches)}}


def _entry(cache: LayerCache, index: int | Array) -> dict[str, Array]:
    return {
        "cached_key": cache.keys.swapaxes(1, 2),  # (r, h, T, k) -> (r, T, h, k)
        "cached_value": cache.values.swapaxes(1, 2),
        "cache_index": jnp.asarray(index, jnp.int32),
    }


def from_published(decoder: Any) -> tuple[Caches, Array]:
    """The other way: the caches, without their sources, and how many tokens are in them.

    Raises: ShapeError if it is no such dict.
    """
    try:
        layers = decoder["layers"]
        entries = [layers[str(layer)]["self_attn"] for layer in range(len(layers))]
        caches = tuple(
            LayerCache(jnp.swapaxes(entry["cached_key"], 1, 2), jnp.swapaxes(entry["cached_value"], 1, 2))
            for entry in entries
        )
        return caches, entries[0]["cache_index"]
    except (KeyError, IndexError, TypeError):
        raise ShapeError(
            "`past_key_values` must be a dict as `init_cache` makes it, or as the last pass returned it, but is "
            f"{type(decoder).__name__} of another layout."
        ) from None
