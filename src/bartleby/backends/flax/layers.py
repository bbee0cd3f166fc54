"""What the stacks are built from: token and position tables, attention, and the two kinds of layer.

Parameter names are those of the published Flax checkpoints. `norm_first` of `family/architecture.py` is read in
`Layer.sublayer`, `position_offset` in `LearnedPositions`. Nothing here holds state: caches go in and come out.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import Array, lax

from bartleby.backends.flax.activations import ACTIVATIONS
from bartleby.backends.flax.cache import LayerCache
from bartleby.family.architecture import architecture_of
from bartleby.family.config import PreTrainedConfig
from bartleby.family.reference import NORM_EPSILON

KeysAndValues = tuple[Array, Array]
LayerOutput = tuple[Array, tuple[Any, ...]]

LayerNorm = partial(nn.LayerNorm, epsilon=NORM_EPSILON, use_fast_variance=False)  # E[x²] - E[x]² would lose digits


class TokenEmbedding(nn.Module):
    """Token vectors, times `embed_scale`; shared by both stacks and the output projection."""

    num_embeddings: int
    features: int
    embed_scale: float = 1.0
    init_std: float = 0.02
    dtype: Any = jnp.float32

    def setup(self) -> None:
        shape = (self.num_embeddings, self.features)
        self.embedding = self.param("embedding", nn.initializers.normal(self.init_std), shape)

    def __call__(self, ids: Array) -> Array:
        """Shapes: (…) -> (…, d). Ids outside the table, which only a traced pass can hold, become NaN."""
        return jnp.take(self.embedding, ids, axis=0, mode="fill").astype(self.dtype) * self.embed_scale


def tied_scores(hidden: Array, table: Array) -> Array:
    """Scores of every token, (…, d) -> (…, v); contracted as the table (v, d) lies, since turning it would copy it."""
    return lax.dot_general(hidden, table.astype(hidden.dtype), (((hidden.ndim - 1,), (1,)), ((), ())))


class LearnedPositions(nn.Module):
    """One vector a position; the first rows are skipped where fairseq did."""

    config: PreTrainedConfig
    dtype: Any = jnp.float32

    def setup(self) -> None:
        self.offset = architecture_of(self.config.model_type).position_offset
        shape = (self.config.max_position_embeddings + self.offset, self.config.d_model)
        self.embedding = self.param("embedding", nn.initializers.normal(self.config.init_std), shape)

    def __call__(self, position_ids: Array) -> Array:
        """Shapes: (…, t) -> (…, t, d)."""
        return jnp.take(self.embedding, position_ids + self.offset, axis=0, mode="fill").astype(self.dtype)


class Attention(nn.Module):
    """Multi-head attention, over the layer's own states or over an encoder's."""

    config: PreTrainedConfig
    num_heads: int
    pruned: int = 0
    dtype: Any = jnp.float32

    def setup(self) -> None:
        self.head_dim = self.config.d_model // self.num_heads
        inner = self.head_dim * (self.num_heads - self.pruned)
        dense = partial(nn.Dense, dtype=self.dtype, kernel_init=nn.initializers.normal(self.config.init_std))
        self.q_proj, self.k_proj, self.v_proj = dense(inner), dense(inner), dense(inner)
        self.out_proj = dense(self.config.d_model)
        self.dropout_layer = nn.Dropout(self.config.attention_dropout)

    def keys_and_values(self, states: Array) -> KeysAndValues:
        """What can be looked at in states: (b, s, d) -> two of (b, h, s, k)."""
        return self._split(self.k_proj(states)), self._split(self.v_proj(states))

    def __call__(
        self, hidden: Array, looked_at: KeysAndValues, bias: Array | None, deterministic: bool
    ) -> tuple[Array, Array]:
        """Attend, and show how much to what.

        Shapes: hidden (r, t, d); keys and values (b, h, s, k), where b divides r when beams share a source; bias
        broadcasts to (b, h, t, s) and is added to the scores -> (r, t, d) and (r, h, t, s).
        """
        keys, values = looked_at
        query = self._split(self.q_proj(hidden))
        beams = query.shape[0] // keys.shape[0]
        exact = jnp.promote_types(self.dtype, jnp.float32)  # halves lose too much in the sum
        query = _fold_beams(query * self.head_dim**-0.5, beams)
        scores = jnp.einsum("bhtk,bhsk->bhts", query, keys, preferred_element_type=exact)
        weights = jax.nn.softmax(scores if bias is None else scores + bias).astype(self.dtype)
        mixed = jnp.einsum("bhts,bhsk->bhtk", self.dropout_layer(weights, deterministic), values)
        joined = _unfold_beams(mixed, beams).swapaxes(1, 2).reshape(*hidden.shape[:2], -1)  # (r, h, t, k) -> (r, t, ·)
        return self.out_proj(joined), _unfold_beams(weights, beams)

    def _split(self, states: Array) -> Array:
        return states.reshape(*states.shape[:2], -1, self.head_dim).swapaxes(1, 2)  # (r, t, h·k) -> (r, h, t, k)


def _fold_beams(query: Array, beams: int) -> Array:
    """Beams of one source become more queries of it: (b·n, h, t, k) -> (b, h, n·t, k); its keys are read once."""
    if beams == 1:
        return query
    rows, heads, length, width = query.shape
    apart = query.reshape(rows // beams, beams, heads, length, width)
    return apart.swapaxes(1, 2).reshape(rows // beams, heads, beams * length, width)


def _unfold_beams(mixed: Array, beams: int) -> Array:
    """The way back: (b, h, n·t, k) -> (b·n, h, t, k)."""
    if beams == 1:
        return mixed
    sources, heads, length, width = mixed.shape
    apart = mixed.reshape(sources, heads, beams, length // beams, width)
    return apart.swapaxes(1, 2).reshape(sources * beams, heads, length // beams, width)


def finite(hidden: Array) -> Array:
    """Halves held back from overflowing; always, without asking: "is any infinite?" would make the device wait."""
    if hidden.dtype != jnp.float16:
        return hidden
    limit = float(jnp.finfo(jnp.float16).max) - 1000
    return hidden.clip(-limit, limit)


class Layer(nn.Module):
    """What encoder and decoder layers share: self-attention, the feed-forward, and how a sub-layer joins the rest."""

    side: ClassVar[str]
    config: PreTrainedConfig
    index: int = 0
    dtype: Any = jnp.float32

    def setup(self) -> None:
        config = self.config
        dense = partial(nn.Dense, dtype=self.dtype, kernel_init=nn.initializers.normal(config.init_std))
        pruned = len(config.pruned_heads.get(self.index, ())) if self.side == "encoder" else 0
        self.self_attn = Attention(config, getattr(config, f"{self.side}_attention_heads"), pruned, self.dtype)
        self.self_attn_layer_norm = LayerNorm(dtype=self.dtype)
        self.fc1 = dense(getattr(config, f"{self.side}_ffn_dim"))
        self.fc2 = dense(config.d_model)
        self.final_layer_norm = LayerNorm(dtype=self.dtype)
        self.activation_fn = ACTIVATIONS[config.activation_function]
        self.dropout_layer = nn.Dropout(config.dropout)
        self.activation_dropout_layer = nn.Dropout(config.activation_dropout)

    def sublayer(
        self, hidden: Array, norm: nn.Module, function: Callable[[Array], LayerOutput], deterministic: bool
    ) -> LayerOutput:
        """`hidden` plus what `function` makes of it, normalised on the way in or out, and what else it gave."""
        norm_first = architecture_of(self.config.model_type).norm_first
        new, rest = function(norm(hidden) if norm_first else hidden)
        joined = finite(hidden + self.dropout_layer(new, deterministic))
        return joined if norm_first else norm(joined), rest

    def feed_forward(self, hidden: Array, deterministic: bool) -> Array:
        """The feed-forward, as a sub-layer."""

        def expand_and_contract(states: Array) -> LayerOutput:
            inner = self.activation_fn(finite(self.fc1(states)))
            return self.fc2(self.activation_dropout_layer(inner, deterministic)), ()

        return self.sublayer(hidden, self.final_layer_norm, expand_and_contract, deterministic)[0]


class EncoderLayer(Layer):
    """Self-attention over the whole source, then the feed-forward."""

    side = "encoder"

    def __call__(self, hidden_states: Array, bias: Array | None, deterministic: bool) -> LayerOutput:
        """The states, and behind them the weights."""

        def look_around(states: Array) -> LayerOutput:
            mixed, weights = self.self_attn(states, self.self_attn.keys_and_values(states), bias, deterministic)
            return mixed, (weights,)

        hidden, shown = self.sublayer(hidden_states, self.self_attn_layer_norm, look_around, deterministic)
        return self.feed_forward(hidden, deterministic), shown


class DecoderLayer(Layer):
    """Causal self-attention, attention to the encoder's states where there are any, then the feed-forward."""

    side = "decoder"

    def setup(self) -> None:
        super().setup()
        self.encoder_attn = Attention(self.config, self.config.decoder_attention_heads, dtype=self.dtype)
        self.encoder_attn_layer_norm = LayerNorm(dtype=self.dtype)

    def __call__(
        self,
        hidden_states: Array,
        bias: Array,
        source: KeysAndValues | Array | None,
        source_bias: Array | None,
        past: tuple[LayerCache, int | Array] | None,
        deterministic: bool,
    ) -> LayerOutput:
        """The states, and behind them both attentions' weights and the new cache.

        `source`: the encoder's states (b, s, d), or keys and values of them; `past`: a cache, and where the new tokens
        stand in it.
        """

        def look_back(states: Array) -> LayerOutput:
            looked_at, cache = self.self_attn.keys_and_values(states), None
            if past is not None:
                cache = past[0].write(*looked_at, past[1])
                looked_at = cache.keys, cache.values
            mixed, weights = self.self_attn(states, looked_at, bias, deterministic)
            return mixed, (weights, cache)

        def look_across(states: Array) -> LayerOutput:
            looked_at = source if isinstance(source, tuple) else self.encoder_attn.keys_and_values(source)
            mixed, weights = self.encoder_attn(states, looked_at, source_bias, deterministic)
            return mixed, (weights,)

        hidden, (weights, cache) = self.sublayer(hidden_states, self.self_attn_layer_norm, look_back, deterministic)
        shown: tuple[Any, ...] = (None,)
        if source is not None:
            hidden, shown = self.sublayer(hidden, self.encoder_attn_layer_norm, look_across, deterministic)
        return self.feed_forward(hidden, deterministic), (weights, *shown, cache)
