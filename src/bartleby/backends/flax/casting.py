"""The types that parameters are kept in."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax.core import unfreeze
from flax.traverse_util import flatten_dict, unflatten_dict

from bartleby.errors import OptionError


class Casting:
    """A model whose parameters can be cast; the types it computes in are another thing (`dtype`)."""

    def to_bf16(self, params: Any, mask: Any = None) -> Any:
        """The parameters in bfloat16; with a `mask`, a tree of truth values like `params`, only those it says."""
        return cast_floating(params, jnp.bfloat16, mask)

    def to_fp16(self, params: Any, mask: Any = None) -> Any:
        """The parameters in float16; with a `mask`, only those it says."""
        return cast_floating(params, jnp.float16, mask)

    def to_fp32(self, params: Any, mask: Any = None) -> Any:
        """The parameters in float32; with a `mask`, only those it says."""
        return cast_floating(params, jnp.float32, mask)


def cast_floating(params: Any, dtype: Any, mask: Any = None) -> Any:
    """A new tree with the floating-point leaves in another type.

    Raises: OptionError if the mask is not of the same tree.
    """
    if mask is None:
        return jax.tree_util.tree_map(lambda leaf: _cast(leaf, dtype), params)
    flat, chosen = flatten_dict(unfreeze(params)), flatten_dict(unfreeze(mask))
    if flat.keys() != chosen.keys():
        differing = sorted("/".join(path) for path in flat.keys() ^ chosen.keys())
        raise OptionError(f"`mask` must have the leaves of `params`, but only one of them has {', '.join(differing)}.")
    return unflatten_dict({path: _cast(leaf, dtype) if chosen[path] else leaf for path, leaf in flat.items()})


def _cast(leaf: Any, dtype: Any) -> Any:
    is_floating = hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.floating)
    return jnp.asarray(leaf, dtype) if is_floating else leaf
