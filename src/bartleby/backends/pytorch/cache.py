"""Keys and values that decoding has already computed, layer by layer.

A decoder's `EncoderDecoderCache` holds two caches: self-attention grows by one token a step; cross-attention is filled
once per source and then only read, also by all beams of that source, which is why it may have fewer rows. All of them
also read like the tuples of tensors that stood in their place in version 4: `past[0][0].shape`, `len(past)`, a loop.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Self

import torch
from torch import Tensor

from bartleby.backends.pytorch.cache_layers import UNLIMITED, CacheLayer, DynamicLayer, StaticLayer
from bartleby.errors import OptionError, ShapeError
from bartleby.family.config import PreTrainedConfig

Tensors = tuple[Tensor, ...]
LegacyCache = tuple[Tensors, ...]
"""For every layer its keys and values, (rows, h, t, k), and behind them those of the source where there is one."""


class Cache:
    """A list of layers that grows as layers ask for their place."""

    layers: list[CacheLayer]

    def new_layer(self) -> CacheLayer:
        """An empty layer of the kind this cache is made of."""
        raise NotImplementedError

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, cache_kwargs: dict[str, Any] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Add to layer `layer_idx`, at the places `cache_position` of `cache_kwargs` where it says so.

        Shapes: (rows, h, new, k) -> (rows, h, all, k); cache_position (new).
        """
        while len(self.layers) <= layer_idx:
            self.layers.append(self.new_layer())
        return self.layers[layer_idx].update(key_states, value_states, (cache_kwargs or {}).get("cache_position"))

    # What it holds

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Positions held by a layer; 0 before its first update."""
        return self.layers[layer_idx].get_seq_length() if layer_idx < len(self.layers) else 0

    def get_max_length(self, layer_idx: int | None = None) -> int:
        """Room for how many positions; -1 if there is no limit."""
        if layer_idx is not None and layer_idx >= len(self.layers):
            return self.new_layer().get_max_length()
        lengths = [layer.get_max_length() for layer in self.layers] or [self.new_layer().get_max_length()]
        return max(lengths) if layer_idx is None else lengths[layer_idx]

    def get_max_cache_shape(self, layer_idx: int = 0) -> int:
        """Another published name of `get_max_length`."""
        return self.get_max_length(layer_idx)

    def get_usable_length(self, new_seq_length: int, layer_idx: int = 0) -> int:
        """Positions that `new_seq_length` more can look back at."""
        room = self.get_max_length(layer_idx)
        known = self.get_seq_length(layer_idx)
        return known if room == UNLIMITED else min(known, room - new_seq_length)

    def get_mask_sizes(self, query_length: int, layer_idx: int = 0) -> tuple[int, int]:
        """How many keys `query_length` new positions look at, and at which position the first of them stands."""
        return self.get_seq_length(layer_idx) + query_length, 0

    @property
    def seen_tokens(self) -> int:
        return self.get_seq_length()

    @property
    def batch_size(self) -> int:
        """Rows; -1 before the first update."""
        return next((len(layer.keys) for layer in self.layers if layer.keys is not None), UNLIMITED)

    @property
    def is_compileable(self) -> bool:
        """Whether shapes stay as they are from step to step."""
        return self.new_layer().is_compileable

    @property
    def is_initialized(self) -> bool:
        return bool(self.layers) and all(layer.is_initialized for layer in self.layers)

    @property
    def key_cache(self) -> list[Tensor | None]:
        """The keys of every layer."""
        return [layer.keys for layer in self.layers]

    @property
    def value_cache(self) -> list[Tensor | None]:
        """The values of every layer."""
        return [layer.values for layer in self.layers]

    # As a tuple

    @classmethod
    def from_legacy_cache(cls, past_key_values: Iterable[Sequence[Tensor | None]] | None = None) -> Self:
        """The cache that holds what a tuple of tuples holds."""
        raise NotImplementedError

    def to_legacy_cache(self) -> LegacyCache:
        """All of it as tuples of tensors."""
        return tuple(self)

    def __iter__(self) -> Iterator[Tensors]:
        for layer in self.layers:
            yield (layer.keys, layer.values)  # type: ignore[misc]  # None only where a layer was left out in training

    def __getitem__(self, layer_idx: int) -> Tensors:
        return tuple(self)[layer_idx]

    def __len__(self) -> int:
        return len(self.layers)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(layers={len(self.layers)}, length={self.get_seq_length()})"

    # Rows and positions

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Keep, repeat or drop rows of every layer."""
        for layer in self.layers:
            layer.reorder_cache(beam_idx)

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep these rows."""
        self.reorder_cache(indices)

    def batch_repeat_interleave(self, repeats: int) -> None:
        """Put `repeats` copies of each row one behind the other."""
        for layer in self.layers:
            if layer.keys is not None:
                rows = torch.arange(len(layer.keys), device=layer.keys.device)
                layer.reorder_cache(rows.repeat_interleave(repeats))

    def crop(self, max_length: int) -> None:
        """Keep the first `max_length` positions, or take that many away from the end when it is negative; 0 is none."""
        for layer in self.layers:
            if max_length != 0 and layer.is_initialized:
                held = layer.get_seq_length()
                layer.crop(max_length if max_length > 0 else max(0, held + max_length))

    def reset(self) -> None:
        """Forget all positions."""
        for layer in self.layers:
            layer.reset()


class DynamicCache(Cache):
    """Layers that grow by concatenation, filled with `ddp_cache_data`: keys and values for every layer."""

    def __init__(
        self,
        ddp_cache_data: Iterable[Sequence[Tensor | None]] | None = None,
        config: PreTrainedConfig | None = None,
        offloading: bool = False,
        offload_only_non_sliding: bool = False,
    ) -> None:
        """`config` is taken as published, and changes nothing: no model of this family forgets what is far back."""
        _refuse_offloading(offloading)
        self.layers = [DynamicLayer(*layer[:2]) for layer in ddp_cache_data or ()]

    def new_layer(self) -> CacheLayer:
        return DynamicLayer()

    @classmethod
    def from_legacy_cache(cls, past_key_values: Iterable[Sequence[Tensor | None]] | None = None) -> Self:
        return cls(past_key_values)


class StaticCache(Cache):
    """Layers with room for `max_cache_len` positions; `StaticCache(n)` has as many layers as ask for one."""

    def __init__(
        self,
        config: PreTrainedConfig | int,
        max_cache_len: int | None = None,
        offloading: bool = False,
        offload_only_non_sliding: bool = True,
        *,
        max_batch_size: int | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """With `max_batch_size` all memory is taken at once, else at each layer's first update."""
        _refuse_offloading(offloading)
        room = config if isinstance(config, int) else max_cache_len
        if room is None:
            raise OptionError("`max_cache_len` must be given: how many positions there shall be room for.")
        self.max_cache_len = room
        self.layers = []
        if isinstance(config, int):
            return
        self.layers += [self.new_layer() for _ in range(config.decoder_layers)]
        if max_batch_size is not None:
            heads = config.decoder_attention_heads
            self.early_initialization(max_batch_size, heads, config.d_model // heads, dtype, device)

    def new_layer(self) -> CacheLayer:
        return StaticLayer(self.max_cache_len)

    def early_initialization(
        self,
        batch_size: int,
        num_heads: int,
        head_dim: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        """Take the memory of all layers now, as exported and captured programs need it."""
        like = torch.empty(batch_size, num_heads, 0, head_dim, dtype=dtype, device=device)
        for layer in self.layers:
            if isinstance(layer, StaticLayer) and not layer.is_initialized:
                layer.take_memory(like, like)

    @classmethod
    def from_legacy_cache(cls, past_key_values: Iterable[Sequence[Tensor | None]] | None = None) -> Self:
        raise OptionError("A tuple does not say how long a StaticCache shall be. Take a DynamicCache.")


class EncoderDecoderCache(Cache):
    """A decoder's two caches; `is_updated[layer]` tells that the source's keys and values are in place."""

    def __init__(self, *caches: Any) -> None:
        """Of two caches, or of one iterable that holds four tensors for every layer."""
        if len(caches) == 1:
            both = [tuple(layer) for layer in caches[0]]
            caches = DynamicCache(layer[:2] for layer in both), DynamicCache(layer[2:] for layer in both if layer[2:])
        if len(caches) != 2 or not all(is_cache(cache) for cache in caches):
            raise OptionError("An EncoderDecoderCache is made of a cache for self-attention and one for the source.")
        self.self_attention_cache, self.cross_attention_cache = caches
        self.is_updated = {
            layer: bool(self.cross_attention_cache.get_seq_length(layer) > 0)
            for layer in range(len(self.cross_attention_cache))
        }

    @property
    def layers(self) -> list[CacheLayer]:  # type: ignore[override]
        """Those of self-attention."""
        return self.self_attention_cache.layers

    def new_layer(self) -> CacheLayer:
        return self.self_attention_cache.new_layer()

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, cache_kwargs: dict[str, Any] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Of self-attention."""
        return self.self_attention_cache.update(key_states, value_states, layer_idx, cache_kwargs)

    @classmethod
    def from_legacy_cache(cls, past_key_values: Iterable[Sequence[Tensor | None]] | None = None) -> Self:
        return cls(past_key_values or ())

    def __iter__(self) -> Iterator[Tensors]:
        sources = tuple(self.cross_attention_cache)
        for layer, own in enumerate(self.self_attention_cache):
            yield (*own[:2], *(sources[layer][:2] if self.is_updated.get(layer) else ()))

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Reorder both caches by row; a search whose beams share their source reorders the two apart."""
        self.self_attention_cache.reorder_cache(beam_idx)
        self.cross_attention_cache.reorder_cache(beam_idx)

    def batch_repeat_interleave(self, repeats: int) -> None:
        self.self_attention_cache.batch_repeat_interleave(repeats)
        self.cross_attention_cache.batch_repeat_interleave(repeats)

    def reset(self) -> None:
        self.self_attention_cache.reset()
        self.cross_attention_cache.reset()
        self.is_updated = dict.fromkeys(self.is_updated, False)


def is_cache(value: Any) -> bool:
    """Whether a decoder can work with it: also with the cache objects of other libraries."""
    return hasattr(value, "update") and hasattr(value, "get_seq_length")


def adopted(past_key_values: Any) -> Any:
    """A cache for what a caller passes: a cache as it is, tuples of tensors as one.

    Raises: ShapeError if it is neither.
    """
    if past_key_values is None or is_cache(past_key_values):
        return past_key_values
    if isinstance(past_key_values, tuple | list) and all(len(layer) in (2, 4) for layer in past_key_values):
        return EncoderDecoderCache.from_legacy_cache(past_key_values)
    raise ShapeError(
        "`past_key_values` must be a cache, or 2 or 4 tensors for each layer, but is "
        f"{type(past_key_values).__name__}. Pass what an earlier call gave back."
    )


def keys_to_come(cache: Any, new: int, cache_position: Tensor | None) -> int:
    """How many keys self-attention sees after `new` more: all of a memory of fixed shape, else those held and these."""
    own = getattr(cache, "self_attention_cache", cache)
    if own is None:
        return new
    fixed = cache_position is not None if isinstance(own, Cache) else True
    if fixed and getattr(own, "is_compileable", False):
        return int(own.get_max_length() if hasattr(own, "get_max_length") else own.get_max_cache_shape())
    return int(own.get_seq_length()) + new


def _refuse_offloading(offloading: bool) -> None:
    if offloading:
        raise OptionError("`offloading` must be False: a cache lies on the device of its model.")


def _register() -> None:
    """Let torch walk into caches that a forward pass gives back (export, data parallelism)."""
    torch.utils._pytree.register_pytree_node(
        DynamicCache,
        lambda cache: ([list(layer) for layer in cache], None),
        lambda layers, _: DynamicCache(layers),
        serialized_type_name="bartleby.DynamicCache",
    )
    torch.utils._pytree.register_pytree_node(
        EncoderDecoderCache,
        lambda cache: ([cache.self_attention_cache, cache.cross_attention_cache], None),
        lambda caches, _: EncoderDecoderCache(*caches),
        serialized_type_name="bartleby.EncoderDecoderCache",
    )


_register()
