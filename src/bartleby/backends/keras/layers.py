"""What the stacks are built from: token and position tables, attention, and the two kinds of layer.

`norm_first` of `family/architecture.py` is read in `Layer.sublayer`, `position_offset` in `LearnedPositions`.
All variables are made in the constructors, whose sizes are known. Parts call each other's `call`: what Keras adds
around a call (casts, names, masks) is done once, around the whole model.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, ClassVar, NamedTuple

import keras
from keras import ops

from bartleby.backends.keras.activations import ACTIVATIONS
from bartleby.backends.keras.masks import Size
from bartleby.backends.keras.portable import drop, dtype_of, is_concrete, softmax, times_transposed
from bartleby.errors import ConfigError, LengthError, ShapeError, VocabularyError
from bartleby.family.architecture import architecture_of
from bartleby.family.config import PreTrainedConfig

Tensor = Any
KeysAndValues = tuple[Tensor, Tensor]
WithWeights = tuple[Tensor, ...]
"""What a sub-layer makes, and behind it what it lets be seen."""

NORM_EPSILON = 1e-5
LARGEST_HALF = 65504.0 - 1000


class LayerCache(NamedTuple):
    """What one decoder layer remembers. A value: layers take one and give a new one.

    Shapes: keys and values (r, h, T, k); those of the source (b, h, s, k), b dividing r: beams share a source.
    """

    keys: Tensor
    values: Tensor
    source_keys: Tensor | None = None
    source_values: Tensor | None = None


class Linear(keras.layers.Dense):
    """A dense layer that has its variables at once."""

    def __init__(self, inputs: int, outputs: int, std: float, name: str, use_bias: bool = True) -> None:
        super().__init__(outputs, use_bias=use_bias, kernel_initializer=drawn(std), name=name)
        self.build((None, inputs))


class LayerNorm(keras.layers.LayerNormalization):
    """A norm over the last axis that has its variables at once."""

    def __init__(self, size: int, name: str) -> None:
        super().__init__(epsilon=NORM_EPSILON, name=name)
        self.build((None, None, size))


def put_layer(owner: keras.layers.Layer, name: str, new: keras.layers.Layer) -> None:
    """Another layer under this name; the old one's variables are no longer the owner's."""
    old = getattr(owner, name)
    if old is new:
        return
    delattr(owner, name)
    owner._layers[:] = [layer for layer in owner._layers if layer is not old]  # Keras forgets variables, not layers
    setattr(owner, name, new)


def renew_variable(owner: keras.layers.Layer, name: str, value: Tensor) -> None:
    """Another variable under this name, of another shape; Keras locks layers that are built."""
    old = getattr(owner, name)
    delattr(owner, name)
    owner._tracker.unlock()
    new = owner.add_weight(value.shape, initializer="zeros", dtype=old.dtype, trainable=old.trainable, name=old.name)
    new.assign(value)
    setattr(owner, name, new)


def drawn(std: float) -> keras.initializers.Initializer:
    """A new one for each variable: Keras draws the same numbers from the same initializer."""
    return keras.initializers.RandomNormal(stddev=std)


class TokenEmbedding(keras.layers.Embedding):
    """Token vectors, shared by both stacks and the output projection; scaling is the stacks' business."""

    def __init__(self, num_embeddings: int, embedding_dim: int, std: float, name: str = "shared") -> None:
        super().__init__(num_embeddings, embedding_dim, embeddings_initializer=drawn(std), name=name)
        self.build()

    def call(self, inputs: Tensor) -> Tensor:
        """Raises: VocabularyError if an id has no row, where the ids can be looked at.

        Inside a graph such an id becomes NaN: XLA would read the nearest row instead.
        """
        if not is_concrete(inputs):
            has_row = ops.logical_and(inputs >= 0, inputs < self.input_dim)
            vectors = ops.where(has_row[..., None], ops.take(self.embeddings, inputs, axis=0), math.nan)
            return ops.cast(vectors, self.compute_dtype)
        if math.prod(inputs.shape):
            low, high = int(ops.min(inputs)), int(ops.max(inputs))
            if low < 0 or high >= self.input_dim:
                raise VocabularyError(
                    f"Token ids must lie between 0 and {self.input_dim - 1}, the rows of the embedding table, but are "
                    f"between {low} and {high}. Use the tokenizer of this checkpoint."
                )
        return ops.cast(ops.take(self.embeddings, inputs, axis=0), self.compute_dtype)


def tied_scores(hidden: Tensor, table: Tensor) -> Tensor:
    """Scores of every token by its own vector; (r, t, d), (v, d) -> (r, t, v)."""
    rows, length, width = ops.shape(hidden)
    flat = ops.reshape(hidden, (-1, width))
    if isinstance(length, int) and length == 1:  # few rows times a long table: three times as fast this way round
        scores = ops.transpose(times_transposed(table, flat))
    else:
        scores = times_transposed(flat, table)
    return ops.reshape(scores, (rows, length, ops.shape(table)[0]))


class LearnedPositions(keras.layers.Embedding):
    """One vector a position; the first `offset` rows are skipped."""

    def __init__(self, num_embeddings: int, embedding_dim: int, offset: int, std: float) -> None:
        rows = num_embeddings + offset
        super().__init__(rows, embedding_dim, embeddings_initializer=drawn(std), name="embed_positions")
        self.offset = offset
        self.build()

    def call(
        self, input_shape: Any, past_key_values_length: Size = 0, position_ids: Tensor | int | None = None
    ) -> Tensor:
        """Vectors of the positions that follow `past_key_values_length`, or of `position_ids`; (t, d) or (b, t, d).

        Shapes: input_shape is (b, t, …); position_ids (), (t) or (b, t).
        """
        length, limit = input_shape[1], self.input_dim - self.offset
        table = ops.cast(ops.convert_to_tensor(self.embeddings), self.compute_dtype)
        if position_ids is not None:
            return self._vectors_at(ops.convert_to_tensor(position_ids), table)
        if isinstance(length, int) and isinstance(past_key_values_length, int):
            if past_key_values_length + length > limit:
                raise _too_long(past_key_values_length + length, limit)
            first = self.offset + past_key_values_length
            return table[first : first + length]
        return ops.take(table, ops.arange(length, dtype="int32") + (past_key_values_length + self.offset), axis=0)

    def _vectors_at(self, places: Tensor, table: Tensor) -> Tensor:
        """Those of places that can be looked at, else NaN where there is no such place: see `TokenEmbedding`."""
        limit = self.input_dim - self.offset
        if not is_concrete(places):
            is_there = ops.logical_and(places >= 0, places < limit)
            return ops.where(is_there[..., None], ops.take(table, places + self.offset, axis=0), math.nan)
        lowest, highest = int(ops.min(places)), int(ops.max(places))
        if lowest < 0:
            raise LengthError(f"Positions must not be negative, but hold {lowest}.")
        if highest >= limit:
            raise LengthError(f"Positions must not be beyond the last, {limit - 1}, but hold {highest}.")
        return ops.take(table, places + self.offset, axis=0)


def _too_long(length: int, limit: int) -> LengthError:
    return LengthError(
        f"The sequence has {length} tokens, but this model has {limit} positions. "
        "Truncate or split the input, or ask for fewer new tokens."
    )


class Attention(keras.layers.Layer):
    """Multi-head attention, over the layer's own states or over an encoder's."""

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        is_decoder: bool = False,
        bias: bool = True,
        std: float = 0.02,
        name: str = "attention",
    ) -> None:
        super().__init__(name=name)
        if embed_dim % num_heads:
            raise ConfigError(f"`embed_dim` must be divisible by `num_heads`, but {embed_dim} is not by {num_heads}.")
        self.embed_dim, self.num_heads, self.head_dim = embed_dim, num_heads, embed_dim // num_heads
        self.dropout, self.is_decoder = dropout, is_decoder
        self.scaling = self.head_dim**-0.5
        self.heads_left = tuple(range(num_heads))
        with keras.name_scope(name):
            linear = partial(Linear, embed_dim, embed_dim, std, use_bias=bias)
            self.k_proj, self.v_proj = linear("k_proj"), linear("v_proj")
            self.q_proj, self.out_proj = linear("q_proj"), linear("out_proj")
        self.built = True

    def call(
        self,
        hidden_states: Tensor,
        key_value_states: Tensor | KeysAndValues | None = None,
        past_key_value: KeysAndValues | None = None,
        attention_mask: Tensor | None = None,
        layer_head_mask: Tensor | None = None,
        training: bool = False,
        start: Size | None = None,
    ) -> tuple[Tensor, Tensor, KeysAndValues]:
        """The states, the weights, and the keys and values that were looked at.

        Of a source, `key_value_states` are its states, or what `keys_and_values` made of them. Of the states as such,
        the new keys and values follow `past_key_value`, or with `start` are written into it there.
        Shapes: hidden_states (r, t, d); key_value_states (b, s, d), where b divides r when beams share a source;
        attention_mask broadcasts to (b, h, t, s) and is added to the scores; layer_head_mask (h)
        -> (r, t, d) and (r, h, t, s).
        """
        query = self._split(self.q_proj.call(hidden_states) * self.scaling)
        if key_value_states is None:
            keys, values = self._own_keys_and_values(hidden_states, past_key_value, start)
        else:
            is_made = isinstance(key_value_states, tuple)
            keys, values = key_value_states if is_made else self.keys_and_values(key_value_states)
        beams = _beams(query, keys)
        query = _fold_beams(query, beams)
        scores = finite(times_transposed(query, keys))
        if attention_mask is not None:
            scores += attention_mask
        weights = ops.cast(softmax(ops.cast(scores, exact(dtype_of(scores)))), dtype_of(scores))
        if layer_head_mask is not None:
            heads = ops.take(layer_head_mask, self.heads_left, axis=0)
            weights *= ops.reshape(ops.cast(heads, dtype_of(weights)), (1, -1, 1, 1))
        mixed = _unfold_beams(ops.matmul(dropped(weights, self.dropout, training), values), beams)
        return self.out_proj.call(self._join(mixed)), _unfold_beams(weights, beams), (keys, values)

    def keys_and_values(self, states: Tensor) -> KeysAndValues:
        """Of all that may be looked at: (b, s, d) -> two of (b, h, s, k)."""
        return self._split(self.k_proj.call(states)), self._split(self.v_proj.call(states))

    def _own_keys_and_values(self, hidden: Tensor, past: KeysAndValues | None, start: Size | None) -> KeysAndValues:
        """Those of the states and of what came before them."""
        new = self.keys_and_values(hidden)
        if past is None:
            return new
        if start is None:
            return ops.concatenate([past[0], new[0]], axis=2), ops.concatenate([past[1], new[1]], axis=2)
        place = (0, 0, start, 0)
        return ops.slice_update(past[0], place, new[0]), ops.slice_update(past[1], place, new[1])

    def _split(self, states: Tensor) -> Tensor:
        rows, length, _ = ops.shape(states)
        if isinstance(length, int) and length == 1:  # (r, 1, h·k) lies in memory as (r, h, 1, k) does
            return ops.reshape(states, (rows, self.num_heads, 1, self.head_dim))
        apart = ops.reshape(states, (rows, length, self.num_heads, self.head_dim))
        return ops.transpose(apart, (0, 2, 1, 3))  # (r, t, h, k) -> (r, h, t, k)

    def _join(self, mixed: Tensor) -> Tensor:
        rows, _, length, _ = ops.shape(mixed)
        if not (isinstance(length, int) and length == 1):
            mixed = ops.transpose(mixed, (0, 2, 1, 3))
        return ops.reshape(mixed, (rows, length, self.num_heads * self.head_dim))

    def prune_heads(self, heads: Iterable[int]) -> None:
        """Take these heads out, with their rows and columns; they are counted as in the whole layer.

        Raises: ConfigError if there is no such head, or none would be left.
        """
        gone, whole = set(heads), self.embed_dim // self.head_dim
        kept = [head for head in self.heads_left if head not in gone]
        if not gone <= set(range(whole)) or not kept:
            raise ConfigError(f"Heads to prune must be some, but not all, of 0 to {whole - 1}, but are {sorted(gone)}.")
        places = [self.heads_left.index(head) for head in kept]
        columns = [place * self.head_dim + column for place in places for column in range(self.head_dim)]
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            with keras.name_scope(self.name):
                put_layer(self, name, _kept(getattr(self, name), columns, axis=0 if name == "out_proj" else 1))
        self.heads_left, self.num_heads = tuple(kept), len(kept)


def _kept(old: Linear, columns: list[int], axis: int) -> Linear:
    """The projection with only these of its inputs (axis 0) or outputs (1)."""
    kernel = ops.take(old.kernel, columns, axis=axis)
    new = Linear(kernel.shape[0], kernel.shape[1], std=0.0, name=old.name, use_bias=old.use_bias)
    new.kernel.assign(kernel)
    if old.use_bias:
        new.bias.assign(old.bias if axis == 0 else ops.take(old.bias, columns, axis=0))
    new.trainable = old.trainable
    return new


def _beams(query: Tensor, keys: Tensor) -> Size:
    """How many rows of queries share a row of keys.

    Raises: ShapeError if they cannot be shared out.
    """
    rows, sources = ops.shape(query)[0], ops.shape(keys)[0]
    if isinstance(rows, int) and isinstance(sources, int) and (sources == 0 or rows == 0 or rows % sources):
        raise ShapeError(
            f"The decoder must have as many rows as there are sources, or as many for each, but has {rows} for "
            f"{sources}."
        )
    return rows // sources


def _fold_beams(query: Tensor, beams: Size) -> Tensor:
    """Beams of one source become more queries of it: (b·n, h, t, k) -> (b, h, n·t, k); its keys are read once."""
    if isinstance(beams, int) and beams == 1:
        return query
    rows, heads, length, width = ops.shape(query)
    apart = ops.transpose(ops.reshape(query, (rows // beams, beams, heads, length, width)), (0, 2, 1, 3, 4))
    return ops.reshape(apart, (rows // beams, heads, beams * length, width))


def _unfold_beams(mixed: Tensor, beams: Size) -> Tensor:
    """The way back: (b, h, n·t, k) -> (b·n, h, t, k)."""
    if isinstance(beams, int) and beams == 1:
        return mixed
    sources, heads, queries, width = ops.shape(mixed)
    apart = ops.transpose(ops.reshape(mixed, (sources, heads, beams, queries // beams, width)), (0, 2, 1, 3, 4))
    return ops.reshape(apart, (sources * beams, heads, queries // beams, width))


def exact(dtype: str) -> str:
    """At least float32, for sums in which halves lose too much."""
    return "float32" if dtype in ("float16", "bfloat16") else dtype


def finite(hidden: Tensor) -> Tensor:
    """Halves held back from overflowing."""
    return ops.clip(hidden, -LARGEST_HALF, LARGEST_HALF) if dtype_of(hidden) == "float16" else hidden


def dropped(hidden: Tensor, rate: float, training: bool) -> Tensor:
    """Some of it zero in training, the rest scaled up."""
    return drop(hidden, rate) if training and rate else hidden


class Layer(keras.layers.Layer):
    """What encoder and decoder layers share: self-attention, the feed-forward, and how a sub-layer joins the rest."""

    is_decoder: ClassVar[bool]

    def __init__(self, config: PreTrainedConfig, heads: int, ffn_dim: int, name: str) -> None:
        super().__init__(name=name)
        self.embed_dim, std = config.d_model, config.init_std
        self.norm_first = architecture_of(config.model_type).norm_first
        self.dropout, self.activation_dropout = config.dropout, config.activation_dropout
        self.activation_fn = ACTIVATIONS[config.activation_function]
        with keras.name_scope(name):
            self.self_attn = Attention(
                config.d_model, heads, config.attention_dropout, self.is_decoder, std=std, name="self_attn"
            )
            self.self_attn_layer_norm = LayerNorm(config.d_model, "self_attn_layer_norm")
            self.fc1 = Linear(config.d_model, ffn_dim, std, "fc1")
            self.fc2 = Linear(ffn_dim, config.d_model, std, "fc2")
            self.final_layer_norm = LayerNorm(config.d_model, "final_layer_norm")
        self.built = True

    def sublayer(
        self, hidden: Tensor, norm: LayerNorm, function: Callable[[Tensor], WithWeights], training: bool
    ) -> WithWeights:
        """`hidden` plus what `function` makes of it, normalised on the way in or on the way out, and what it shows."""
        new, *shown = function(norm.call(hidden) if self.norm_first else hidden)
        joined = finite(hidden + dropped(new, self.dropout, training))
        return (joined if self.norm_first else norm.call(joined), *shown)

    def feed_forward(self, hidden: Tensor, training: bool) -> Tensor:
        """The feed-forward, as a sub-layer."""
        function = partial(self._expand_and_contract, training=training)
        return self.sublayer(hidden, self.final_layer_norm, function, training)[0]

    def _expand_and_contract(self, hidden: Tensor, training: bool) -> WithWeights:
        inner = self.activation_fn(finite(self.fc1.call(hidden)))
        return (self.fc2.call(dropped(inner, self.activation_dropout, training)),)


class EncoderLayer(Layer):
    """Self-attention over the whole source, then the feed-forward."""

    is_decoder = False

    def __init__(self, config: PreTrainedConfig, name: str = "encoder_layer") -> None:
        super().__init__(config, config.encoder_attention_heads, config.encoder_ffn_dim, name)

    def call(
        self,
        hidden_states: Tensor,
        attention_mask: Tensor | None,
        layer_head_mask: Tensor | None = None,
        training: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """The states and the weights; masks as for attention."""
        function = partial(
            self.self_attn.call, attention_mask=attention_mask, layer_head_mask=layer_head_mask, training=training
        )
        hidden, weights, _ = self.sublayer(hidden_states, self.self_attn_layer_norm, function, training)
        return finite(self.feed_forward(hidden, training)), weights


class DecoderLayer(Layer):
    """Causal self-attention, attention to the encoder's states where there are any, then the feed-forward."""

    is_decoder = True

    def __init__(self, config: PreTrainedConfig, name: str = "decoder_layer") -> None:
        super().__init__(config, config.decoder_attention_heads, config.decoder_ffn_dim, name)
        heads, dropout, std = config.decoder_attention_heads, config.attention_dropout, config.init_std
        with keras.name_scope(name):
            self.encoder_attn = Attention(config.d_model, heads, dropout, True, std=std, name="encoder_attn")
            self.encoder_attn_layer_norm = LayerNorm(config.d_model, "encoder_attn_layer_norm")

    def call(
        self,
        hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        encoder_hidden_states: Tensor | None = None,
        encoder_attention_mask: Tensor | None = None,
        layer_head_mask: Tensor | None = None,
        cross_attn_layer_head_mask: Tensor | None = None,
        past_key_value: LayerCache | None = None,
        training: bool = False,
        start: Size | None = None,
    ) -> tuple[Tensor, Tensor, Tensor | None, LayerCache]:
        """The states, both attentions' weights, and what to remember; masks, past and `start` as for attention."""
        own = None if past_key_value is None else past_key_value[:2]
        function = partial(
            self.self_attn.call,
            past_key_value=own,
            attention_mask=attention_mask,
            layer_head_mask=layer_head_mask,
            training=training,
            start=start,
        )
        hidden, weights, kept = self.sublayer(hidden_states, self.self_attn_layer_norm, function, training)
        source = None if past_key_value is None or past_key_value.source_keys is None else past_key_value[2:]
        if source is None and encoder_hidden_states is None:
            return self.feed_forward(hidden, training), weights, None, LayerCache(*kept)
        function = partial(
            self.encoder_attn.call,
            key_value_states=encoder_hidden_states if source is None else source,
            attention_mask=encoder_attention_mask,
            layer_head_mask=cross_attn_layer_head_mask,
            training=training,
        )
        hidden, source_weights, source = self.sublayer(hidden, self.encoder_attn_layer_norm, function, training)
        return self.feed_forward(hidden, training), weights, source_weights, LayerCache(*kept, *source)
