"""Keys and values that decoding has already computed, layer by layer.

A decoder's `EncoderDecoderCache` holds two caches: self-attention grows by one token a step; cross-attention is filled
once per source and then only read, also by all beams of that source, which is why it may have fewer rows.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor


class CacheLayer(Protocol):
    """One layer's keys and values, (rows, h, t, k); `keys` is None until the first update."""

    @property
    def keys(self) -> Tensor | None: ...

    @property
    def values(self) -> Tensor | None: ...

    @property
    def length(self) -> int: ...

    def update(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Append t new positions; all positions so far come back."""

    def reorder(self, rows: Tensor) -> None:
        """Row i becomes what row `rows[i]` was; fewer, more or repeated rows are fine."""


class DynamicLayer:
    """Grows by concatenation: simple, and differentiable."""

    def __init__(self) -> None:
        self.keys: Tensor | None = None
        self.values: Tensor | None = None

    @property
    def length(self) -> int:
        return 0 if self.keys is None else self.keys.shape[2]

    def update(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        if self.keys is None or self.values is None:
            self.keys, self.values = keys, values
        else:
            self.keys = torch.cat([self.keys, keys], dim=2)
            self.values = torch.cat([self.values, values], dim=2)
        return self.keys, self.values

    def reorder(self, rows: Tensor) -> None:
        if self.keys is not None and self.values is not None:
            self.keys = self.keys.index_select(0, rows)
            self.values = self.values.index_select(0, rows)


class StaticLayer:
    """Room for `capacity` positions, taken once; a step writes its own place and copies nothing."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.length = 0
        self._keys: Tensor | None = None
        self._values: Tensor | None = None

    @property
    def keys(self) -> Tensor | None:
        return None if self._keys is None else self._keys[:, :, : self.length]

    @property
    def values(self) -> Tensor | None:
        return None if self._values is None else self._values[:, :, : self.length]

    def update(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        rows, heads, new, width = keys.shape
        if self._keys is None or self._values is None:
            self._keys = keys.new_empty(rows, heads, self.capacity, width)
            self._values = values.new_empty(rows, heads, self.capacity, width)
        end = self.length + new
        self._keys[:, :, self.length : end] = keys
        self._values[:, :, self.length : end] = values
        self.length = end
        return self._keys[:, :, :end], self._values[:, :, :end]

    def reorder(self, rows: Tensor) -> None:
        if self._keys is None or self._values is None:
            return
        used_keys, used_values = self._keys[:, :, : self.length], self._values[:, :, : self.length]
        if len(rows) != len(self._keys):
            self._keys = self._keys.new_empty(len(rows), *self._keys.shape[1:])
            self._values = self._values.new_empty(len(rows), *self._values.shape[1:])
        self._keys[:, :, : self.length] = used_keys.index_select(0, rows)  # index_select copies, so in place is safe
        self._values[:, :, : self.length] = used_values.index_select(0, rows)


class Cache:
    """A list of layers that grows as layers ask for their place."""

    def __init__(self) -> None:
        self.layers: list[CacheLayer] = []

    def new_layer(self) -> CacheLayer:
        """An empty layer of the kind this cache is made of."""
        raise NotImplementedError

    def update(self, keys: Tensor, values: Tensor, layer_idx: int) -> tuple[Tensor, Tensor]:
        """Append to layer `layer_idx`. Shapes: (rows, h, new, k) -> (rows, h, all, k)."""
        while len(self.layers) <= layer_idx:
            self.layers.append(self.new_layer())
        return self.layers[layer_idx].update(keys, values)

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Positions held by a layer; 0 before its first update."""
        return self.layers[layer_idx].length if layer_idx < len(self.layers) else 0

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Keep, repeat or drop rows of every layer."""
        for layer in self.layers:
            layer.reorder(beam_idx)

    def __len__(self) -> int:
        return len(self.layers)


class DynamicCache(Cache):
    """Layers that grow by concatenation."""

    def new_layer(self) -> CacheLayer:
        return DynamicLayer()


class StaticCache(Cache):
    """Layers with room for `capacity` positions."""

    def __init__(self, capacity: int) -> None:
        super().__init__()
        self.capacity = capacity

    def new_layer(self) -> CacheLayer:
        return StaticLayer(self.capacity)


class EncoderDecoderCache:
    """A decoder's two caches; `is_updated[layer]` tells that the source's keys and values are in place."""

    def __init__(self, self_attention_cache: Cache, cross_attention_cache: Cache) -> None:
        self.self_attention_cache = self_attention_cache
        self.cross_attention_cache = cross_attention_cache
        self.is_updated: dict[int, bool] = {
            index: layer.length > 0 for index, layer in enumerate(cross_attention_cache.layers)
        }

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Target positions held so far."""
        return self.self_attention_cache.get_seq_length(layer_idx)

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Reorder both caches by row; a search whose beams share their source reorders the two apart."""
        self.self_attention_cache.reorder_cache(beam_idx)
        self.cross_attention_cache.reorder_cache(beam_idx)

    def __len__(self) -> int:
        return len(self.self_attention_cache)
