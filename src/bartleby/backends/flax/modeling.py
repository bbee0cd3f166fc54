"""The encoder and the decoder of the family in Flax: tables, layers and the norms around them.

Definition: `family/reference.py`; this file computes the same with caches, dropout and layers run again in the backward
pass. `final_norm` and the embedding norms of `family/architecture.py` are read here. What a layer is made of is in
layers.py; heads are in heads.py, readers.py and causal.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import Array

from bartleby.backends.flax.cache import Caches, LayerCache
from bartleby.backends.flax.layers import (
    DecoderLayer,
    EncoderLayer,
    Layer,
    LayerNorm,
    LayerOutput,
    LearnedPositions,
    TokenEmbedding,
)
from bartleby.backends.flax.masks import causal_bias, padding_bias
from bartleby.backends.flax.outputs import FlaxBaseModelOutput, FlaxBaseModelOutputWithPastAndCrossAttentions
from bartleby.family.architecture import EmbeddingNorm, architecture_of
from bartleby.family.config import PreTrainedConfig


@dataclass
class Record:
    """What a pass shall leave behind; a list that is None was not asked for.

    Shapes: states (b, t, d) before each layer and after the last; weights (b, h, t, t) and (b, h, t, s) a layer.
    """

    hidden_states: list[Array] | None
    attentions: list[Array] | None
    cross_attentions: list[Array] | None = None
    caches: list[LayerCache] = field(default_factory=list)

    @classmethod
    def of(cls, attentions: bool, hidden_states: bool) -> Record:
        return cls([] if hidden_states else None, [] if attentions else None, [] if attentions else None)

    def state(self, hidden: Array) -> None:
        if self.hidden_states is not None:
            self.hidden_states.append(hidden)

    def weights(self, *weights: Array | None) -> None:
        """Of one layer: of self-attention and, in a decoder, of attention to the source."""
        for kept, new in zip((self.attentions, self.cross_attentions), weights, strict=False):
            if kept is not None and new is not None:
                kept.append(new)

    def fields(self, *names: str) -> dict[str, tuple[Array, ...] | None]:
        """These lists, as outputs hold them."""
        lists = {name: getattr(self, name) for name in names}
        return {name: None if kept is None else tuple(kept) for name, kept in lists.items()}


class _Layers(nn.Module):
    """The layers under their published names, "0", "1" …"""

    config: PreTrainedConfig
    layer_class: type[Layer]
    count: int
    dtype: Any = jnp.float32

    def setup(self) -> None:
        self.each = [self.layer_class(self.config, index, self.dtype, name=str(index)) for index in range(self.count)]


class Stack(nn.Module):
    """Embeddings, layers and the norms around them: what encoder and decoder share."""

    side: ClassVar[str]
    layer_class: ClassVar[type[Layer]]
    config: PreTrainedConfig
    embed_tokens: TokenEmbedding
    dtype: Any = jnp.float32
    gradient_checkpointing: bool = False

    def setup(self) -> None:
        config, switches = self.config, architecture_of(self.config.model_type)
        self.embed_positions = LearnedPositions(config, self.dtype)
        norm: EmbeddingNorm = getattr(switches, f"{self.side}_embedding_norm")
        self.norm_before_positions = norm == "before_positions"
        self.layernorm_embedding = _unchanged if norm == "none" else LayerNorm(dtype=self.dtype)
        self.layers = _Layers(config, self.layer_class, getattr(config, f"{self.side}_layers"), self.dtype)
        self.layer_norm = LayerNorm(dtype=self.dtype) if switches.final_norm else _unchanged
        self.dropout_layer = nn.Dropout(config.dropout)

    def embed(self, input_ids: Array, position_ids: Array, deterministic: bool) -> Array:
        """Token and position vectors, normalised; (b, t) ids, (t) or (b, t) positions -> (b, t, d)."""
        tokens, positions = self.embed_tokens(input_ids), self.embed_positions(position_ids)
        if self.norm_before_positions:
            hidden = self.layernorm_embedding(tokens) + positions
        else:
            hidden = self.layernorm_embedding(tokens + positions)
        return self.dropout_layer(hidden, deterministic)

    def run(
        self, hidden: Array, record: Record, arguments: Callable[[int], tuple[Any, ...]], deterministic: bool
    ) -> Array:
        """Through all layers, each called with the states and `arguments` of its place.

        In training each is left out with probability `layerdrop` (arXiv 1909.11556), which costs as much as to keep
        it: what a compiled pass computes cannot depend on chance.
        """
        layerdrop = getattr(self.config, f"{self.side}_layerdrop")
        for index, layer in enumerate(self.layers.each):
            record.state(hidden)
            new, rest = self._layer(layer, hidden, (*arguments(index), deterministic))
            if layerdrop > 0 and not deterministic:
                new = jnp.where(jax.random.bernoulli(self.make_rng("dropout"), layerdrop), hidden, new)
            hidden = new
            record.weights(*rest[:2])
            record.caches += [each for each in rest[2:] if each is not None]
        hidden = self.layer_norm(hidden)
        record.state(hidden)
        return hidden

    def _layer(self, layer: Layer, hidden: Array, arguments: tuple[Any, ...]) -> LayerOutput:
        if self.gradient_checkpointing and not self.is_initializing():
            return nn.remat(lambda module, states: module(states, *arguments))(layer, hidden)
        return layer(hidden, *arguments)


class Encoder(Stack):
    """Source tokens -> states that see each other in both directions."""

    side = "encoder"
    layer_class = EncoderLayer

    def __call__(
        self,
        input_ids: Array,
        attention_mask: Array | None = None,
        position_ids: Array | None = None,
        output_attentions: bool = False,
        output_hidden_states: bool = False,
        deterministic: bool = True,
    ) -> FlaxBaseModelOutput:
        """Shapes: input_ids (b, s); attention_mask (b, s), 1 where a token counts -> last_hidden_state (b, s, d)."""
        record = Record.of(output_attentions, output_hidden_states)
        positions = jnp.arange(input_ids.shape[1]) if position_ids is None else position_ids
        hidden = self.embed(input_ids, positions, deterministic)
        bias = padding_bias(attention_mask)
        hidden = self.run(hidden, record, lambda index: (bias,), deterministic)
        return FlaxBaseModelOutput(hidden, **record.fields("hidden_states", "attentions"))


class Decoder(Stack):
    """Target tokens -> states that see what came before them and, where given, the source."""

    side = "decoder"
    layer_class = DecoderLayer

    def __call__(
        self,
        input_ids: Array,
        attention_mask: Array | None = None,
        position_ids: Array | None = None,
        encoder_hidden_states: Array | None = None,
        encoder_attention_mask: Array | None = None,
        output_attentions: bool = False,
        output_hidden_states: bool = False,
        deterministic: bool = True,
        cache: Caches | None = None,
        start: int | Array = 0,
    ) -> FlaxBaseModelOutputWithPastAndCrossAttentions:
        """Shapes: input_ids (r, t), with a cache only the new tokens, which stand at `start` and behind it; encoder
        states (b, s, d) with b dividing r, unless the cache holds what was made of them; attention_mask (r, T) of all
        that there is room for in the cache, without one (r, t) -> last_hidden_state (r, t, d), and the new cache as
        past_key_values.
        """
        record = Record.of(output_attentions, output_hidden_states)
        new = input_ids.shape[1]
        positions = start + jnp.arange(new) if position_ids is None else position_ids
        hidden = self.embed(input_ids, positions, deterministic)
        bias = causal_bias(attention_mask, start, new, new if cache is None else cache[0].keys.shape[2])
        source_bias = padding_bias(encoder_attention_mask)

        def arguments(index: int) -> tuple[Any, ...]:
            past = None if cache is None else (cache[index], start)
            if cache is None or cache[index].source_keys is None:
                return bias, encoder_hidden_states, source_bias, past
            return bias, (cache[index].source_keys, cache[index].source_values), source_bias, past

        hidden = self.run(hidden, record, arguments, deterministic)
        if not record.cross_attentions:
            record.cross_attentions = None
        return FlaxBaseModelOutputWithPastAndCrossAttentions(
            hidden,
            None if cache is None else tuple(record.caches),
            **record.fields("hidden_states", "attentions", "cross_attentions"),
        )

    def empty_cache(self, encoder_states: Array | None, rows: int, length: int) -> Caches:
        """Of every layer: room for `length` tokens of `rows`, and keys and values of the source, computed once."""
        return tuple(self._empty_layer(layer, encoder_states, rows, length) for layer in self.layers.each)

    def _empty_layer(self, layer: DecoderLayer, states: Array | None, rows: int, length: int) -> LayerCache:
        heads = self.config.decoder_attention_heads
        room = jnp.zeros((rows, heads, length, self.config.d_model // heads), self.dtype)
        if states is None:
            return LayerCache(room, room)
        return LayerCache(room, room, *layer.encoder_attn.keys_and_values(states))


def _unchanged(hidden: Array) -> Array:
    return hidden


def token_embedding(config: PreTrainedConfig, dtype: Any) -> TokenEmbedding:
    """A token table as `config` describes it."""
    scale = math.sqrt(config.d_model) if config.scale_embedding else 1.0
    return TokenEmbedding(config.vocab_size, config.d_model, scale, config.init_std, dtype)
