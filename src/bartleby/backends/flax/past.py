"""The published cache at the edge of a pass: read into what layers compute on, and made of what they leave."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array, lax

from bartleby.backends.flax import inputs
from bartleby.backends.flax.cache import Caches, LayerCache, from_published, to_published
from bartleby.backends.flax.model import Model
from bartleby.backends.flax.outputs import ModelOutput
from bartleby.errors import LengthError, ShapeError
from bartleby.family.reference import check_length


class Past(NamedTuple):
    """What a pass begins with: the caches, and how many tokens are in them."""

    caches: Caches | None = None
    start: int | Array = 0

    def mask(self, name: str, given: Any, ids: Array) -> Array | None:
        """The mask of all there is room for, where one of all of that or of the new tokens is given."""
        rows, new = ids.shape
        if self.caches is None:
            return inputs.mask(name, given, rows, new)
        room = self.caches[0].keys.shape[2]
        value = inputs.mask(name, given, rows, room, new)
        if value is None or value.shape[1] == room:
            return value
        return lax.dynamic_update_slice(jnp.ones((rows, room), jnp.int32), value, (0, self.start))


class Remembering(Model):
    """A model whose passes can go on where the last one stopped."""

    def _past(self, published: Mapping[str, Any] | None, ids: Array) -> Past:
        """Raises: ShapeError or LengthError if the new tokens do not fit what was remembered."""
        if published is None:
            return Past()
        path = ("model", "decoder") if self.table_head != "none" else ("decoder",)
        caches, start = from_published(reduce(_within, path, published))
        rows, room = caches[0].keys.shape[0], caches[0].keys.shape[2]
        if rows != ids.shape[0]:
            raise ShapeError(f"The cache is of {rows} rows, but {ids.shape[0]} are given. Start a new cache.")
        if inputs.is_known(start) and int(start) + ids.shape[1] > room:
            raise LengthError(
                f"The cache has room for {room} tokens, but {int(start)} are in it and {ids.shape[1]} would follow. "
                "Ask `init_cache` for more."
            )
        return Past(caches, start)

    def _with_past(self, output: ModelOutput, past: Past, ids: Array) -> ModelOutput:
        """An output whose cache is the published dict."""
        if past.caches is None:
            return output
        return output.replace(past_key_values=self._published(output["past_key_values"], past.start + ids.shape[1]))

    def _empty_past(self, rows: int, length: int) -> dict[str, Any]:
        check_length(length, self.config)
        heads = self.config.decoder_attention_heads
        room = jnp.zeros((rows, heads, length, self.config.d_model // heads), self.dtype)
        return self._published((LayerCache(room, room),) * self.config.decoder_layers, 0)

    def _published(self, caches: Caches, index: int | Array) -> dict[str, Any]:
        decoder = {"decoder": to_published(caches, index)}
        return decoder if self.table_head == "none" else {"model": decoder}


def _within(tree: Any, name: str) -> Any:
    return tree.get(name) if isinstance(tree, Mapping) else None
