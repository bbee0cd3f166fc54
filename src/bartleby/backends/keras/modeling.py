"""The encoder and the decoder of the family in Keras: tables, layers and the norms around them.

Definition: `family/reference.py`; this file computes the same with caches and dropout, in eager mode, in graphs and
under XLA. `final_norm` and the embedding norms of `family/architecture.py` are read here; what a layer is made of:
layers.py. Heads are in heads.py and readers.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
from keras import ops

from bartleby.backends.keras.inputs import Called, unpack_inputs
from bartleby.backends.keras.layers import (
    DecoderLayer,
    EncoderLayer,
    Layer,
    LayerCache,
    LayerNorm,
    LearnedPositions,
    TokenEmbedding,
    dropped,
    put_layer,
)
from bartleby.backends.keras.masks import Size, causal_bias, padding_bias
from bartleby.backends.keras.outputs import (
    TFBaseModelOutput,
    TFBaseModelOutputWithPastAndCrossAttentions,
    as_asked,
    asked,
)
from bartleby.backends.keras.past import check_rows, published_past, read_past
from bartleby.backends.keras.portable import chance, dtype_of, may_have_shape, rank_of
from bartleby.errors import ShapeError
from bartleby.family.architecture import EmbeddingNorm, architecture_of
from bartleby.family.config import PreTrainedConfig

Tensor = Any
Cache = tuple[LayerCache, ...]


@dataclass
class Record:
    """What a pass shall leave behind; a list that is None was not asked for.

    Shapes: states (b, t, d) before each layer and after the last; weights (b, h, t, t) and (b, h, t, s) a layer.
    """

    hidden_states: list[Tensor] | None
    attentions: list[Tensor] | None
    cross_attentions: list[Tensor] | None = None

    @classmethod
    def of(cls, config: PreTrainedConfig, attentions: bool | None, hidden_states: bool | None) -> Record:
        """As the call asks, else as the configuration does."""
        wants_attentions, wants_states = asked(config, attentions, hidden_states)
        return cls([] if wants_states else None, [] if wants_attentions else None)

    @property
    def wants_attentions(self) -> bool:
        return self.attentions is not None

    def state(self, hidden: Tensor) -> None:
        if self.hidden_states is not None:
            self.hidden_states.append(hidden)

    def weights(self, *weights: Tensor | None) -> None:
        """Of one layer: of self-attention and, in a decoder, of attention to the source."""
        for kept, new in zip((self.attentions, self.cross_attentions), weights, strict=False):
            if kept is not None and new is not None:
                kept.append(new)

    def fields(self, *names: str) -> dict[str, tuple[Tensor, ...] | None]:
        """These lists, as outputs hold them."""
        lists = {name: getattr(self, name) for name in names}
        return {name: None if kept is None else tuple(kept) for name, kept in lists.items()}


class Stack(Called):
    """Embeddings, layers and the norms around them: what encoder and decoder share."""

    layer_class: ClassVar[Callable[..., Layer]]

    def __init__(
        self,
        config: PreTrainedConfig,
        embedding_norm: EmbeddingNorm,
        depth: int,
        layerdrop: float,
        embed_tokens: keras.layers.Layer | None,
        name: str,
    ) -> None:
        super().__init__(name=name)
        switches = architecture_of(config.model_type)
        d_model, rows, std = config.d_model, config.max_position_embeddings, config.init_std
        self.config, self.dropout, self.layerdrop = config, config.dropout, layerdrop
        self.padding_idx = config.pad_token_id
        self.embed_scale = math.sqrt(d_model) if config.scale_embedding else 1.0
        self.norm_before_positions = embedding_norm == "before_positions"
        with keras.name_scope(name):
            self.embed_tokens = embed_tokens or token_embedding(config, "embed_tokens")
            self.embed_positions = LearnedPositions(rows, d_model, switches.position_offset, std)
            self.layernorm_embedding = None if embedding_norm == "none" else LayerNorm(d_model, "layernorm_embedding")
            self.layers = [self.layer_class(config, f"layers.{index}") for index in range(depth)]
            self.layer_norm = LayerNorm(d_model, "layer_norm") if switches.final_norm else None
        self.built = True

    def get_input_embeddings(self) -> keras.layers.Layer:
        return self.embed_tokens

    def set_input_embeddings(self, value: keras.layers.Layer) -> None:
        put_layer(self, "embed_tokens", value)

    def embed(
        self,
        input_ids: Tensor | None,
        inputs_embeds: Tensor | None,
        start: Size = 0,
        position_ids: Tensor | int | None = None,
        training: bool = False,
    ) -> Tensor:
        """Token and position vectors, normalised; given vectors are taken as already scaled.

        `start` is the position of the first token; `position_ids` wins over it.
        Shapes: (b, t) ids or (b, t, d) vectors -> (b, t, d).
        """
        tokens = self._token_vectors(input_ids, inputs_embeds)
        positions = self.embed_positions.call(ops.shape(tokens), start, position_ids)
        if self.norm_before_positions:
            hidden = self._embedding_norm(tokens) + positions
        else:
            hidden = self._embedding_norm(tokens + positions)
        return dropped(hidden, self.dropout, training)

    def _embedding_norm(self, hidden: Tensor) -> Tensor:
        return hidden if self.layernorm_embedding is None else self.layernorm_embedding.call(hidden)

    def _token_vectors(self, input_ids: Tensor | None, inputs_embeds: Tensor | None) -> Tensor:
        given = [each for each in (input_ids, inputs_embeds) if each is not None]
        if len(given) != 1:
            raise ShapeError("Exactly one of token ids and embeddings must be given to a stack, but both or none were.")
        if rank_of(given[0]) != (3 if input_ids is None else 2):
            wanted = "ids of shape (batch, length)" if inputs_embeds is None else "vectors of shape (batch, length, d)"
            raise ShapeError(f"A stack reads {wanted}, but was given {tuple(given[0].shape)}.")
        if input_ids is None:
            return self._checked_vectors(given[0])
        vectors = self.embed_tokens(input_ids)
        return vectors if self.embed_scale == 1.0 else vectors * self.embed_scale

    def _checked_vectors(self, inputs_embeds: Tensor) -> Tensor:
        width = self.config.d_model
        if not may_have_shape(inputs_embeds, (None, None, width)):
            raise ShapeError(f"A stack reads vectors of {width} numbers, but was given {tuple(inputs_embeds.shape)}.")
        return inputs_embeds

    def run(
        self, hidden: Tensor, record: Record, arguments: Callable[[int], tuple[Any, ...]], training: bool
    ) -> tuple[Tensor, Cache]:
        """Through all layers, each called with the states and `arguments` of its place; and what each remembers.

        In training each is left out with probability `layerdrop` (arXiv 1909.11556).
        """
        kept = []
        for index, layer in enumerate(self.layers):
            record.state(hidden)
            new, *weights = layer.call(hidden, *arguments(index))
            if layer.is_decoder:
                kept.append(weights.pop())
            hidden = kept_or_new(hidden, new, self.layerdrop) if training and self.layerdrop > 0 else new
            record.weights(*weights)
        hidden = hidden if self.layer_norm is None else self.layer_norm.call(hidden)
        record.state(hidden)
        return hidden, tuple(kept)

    def head_masks(self, name: str, mask: Tensor | None) -> list[Tensor | None]:
        """The mask (layers, heads) layer by layer.

        Raises: ShapeError if it has another shape.
        """
        if mask is None:
            return [None] * len(self.layers)
        attention = self.layers[0].self_attn
        wanted = (len(self.layers), attention.embed_dim // attention.head_dim)  # pruned heads keep their places
        if not may_have_shape(mask, wanted):
            raise ShapeError(
                f"`{name}` must be a tensor of shape (layers, heads), {wanted}, but is {tuple(mask.shape)}. "
                "Arguments behind the masks are best passed by name."
            )
        return [mask[index] for index in range(len(self.layers))]


class Encoder(Stack):
    """Source tokens -> states that see each other in both directions."""

    layer_class = EncoderLayer

    def __init__(
        self, config: PreTrainedConfig, embed_tokens: keras.layers.Layer | None = None, name: str = "encoder"
    ) -> None:
        norm = architecture_of(config.model_type).encoder_embedding_norm
        super().__init__(config, norm, config.encoder_layers, config.encoder_layerdrop, embed_tokens, name)
        self.max_source_positions = config.max_position_embeddings
        for index, heads in config.pruned_heads.items():
            self.layers[index].self_attn.prune_heads(heads)

    @unpack_inputs
    def call(
        self,
        input_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        attention_mask: Tensor | None = None,
        head_mask: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        training: bool = False,
    ) -> TFBaseModelOutput | tuple[Any, ...]:
        """Shapes: input_ids (b, s); attention_mask (b, s), 1 where a token counts; head_mask (layers, h)
        -> last_hidden_state (b, s, d).
        """
        record = Record.of(self.config, output_attentions, output_hidden_states)
        masks = self.head_masks("head_mask", head_mask)
        hidden = self.embed(input_ids, inputs_embeds, training=training)
        bias = padding_bias(attention_mask, hidden, ops.shape(hidden)[:2])
        hidden, _ = self.run(hidden, record, lambda index: (bias, masks[index], training), training)
        output = TFBaseModelOutput(hidden, **record.fields("hidden_states", "attentions"))
        return as_asked(output, self.config, return_dict)


class Decoder(Stack):
    """Target tokens -> states that see what came before them and, where given, the source."""

    layer_class = DecoderLayer

    def __init__(
        self, config: PreTrainedConfig, embed_tokens: keras.layers.Layer | None = None, name: str = "decoder"
    ) -> None:
        norm = architecture_of(config.model_type).decoder_embedding_norm
        super().__init__(config, norm, config.decoder_layers, config.decoder_layerdrop, embed_tokens, name)
        self.max_target_positions = config.max_position_embeddings

    @unpack_inputs
    def call(
        self,
        input_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | int | None = None,
        encoder_hidden_states: Tensor | None = None,
        encoder_attention_mask: Tensor | None = None,
        head_mask: Tensor | None = None,
        cross_attn_head_mask: Tensor | None = None,
        past_key_values: Any = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        training: bool = False,
        cache: Cache | None = None,
        start: Size = 0,
    ) -> TFBaseModelOutputWithPastAndCrossAttentions | tuple[Any, ...]:
        """Shapes: input_ids (r, t), or only the new tokens when `past_key_values` holds the others; encoder states
        (b, s, d) with b dividing r; attention_mask (r, past + t); head masks (layers, h); position_ids (t) or (r, t),
        where tokens shall count as standing -> last_hidden_state (r, t, d).

        With `cache`, of a fixed length, the new tokens are written at `start`, and the next cache is given back as
        `past_key_values`.
        """
        record = Record.of(self.config, output_attentions, output_hidden_states)
        masks = self.head_masks("head_mask", head_mask), self.head_masks("cross_attn_head_mask", cross_attn_head_mask)
        past, first, keys = self._read(past_key_values, cache, start)
        has_source = encoder_hidden_states is not None or (past is not None and past[0].source_keys is not None)
        record.cross_attentions = [] if record.wants_attentions and has_source else None
        hidden = self.embed(input_ids, inputs_embeds, first, position_ids, training)
        check_rows(past, hidden)
        keys = first + ops.shape(hidden)[1] if keys is None else keys
        bias = causal_bias(attention_mask, hidden, first, keys)
        source_bias = self._source_bias(encoder_attention_mask, hidden, encoder_hidden_states, past)

        def arguments(index: int) -> tuple[Any, ...]:
            own = None if past is None else past[index]
            given = (bias, encoder_hidden_states, source_bias, masks[0][index], masks[1][index], own)
            return (*given, training, None if cache is None else start)

        hidden, kept = self.run(hidden, record, arguments, training)
        keeps = self.config.use_cache if use_cache is None else use_cache
        output = TFBaseModelOutputWithPastAndCrossAttentions(
            hidden,
            kept if cache is not None else published_past(kept) if keeps else None,
            **record.fields("hidden_states", "attentions", "cross_attentions"),
        )
        return as_asked(output, self.config, return_dict)

    def _read(self, past: Any, cache: Cache | None, start: Size) -> tuple[Cache | None, Size, Size | None]:
        """What is remembered, where the first new token stands, and how many keys there will be if that is known."""
        if cache is not None:
            return cache, start, ops.shape(cache[0].keys)[2]
        if past is None:
            return None, 0, None
        read = read_past(past, len(self.layers))
        return read, ops.shape(read[0].keys)[2], None

    def _source_bias(
        self, mask: Tensor | None, hidden: Tensor, states: Tensor | None, past: Cache | None
    ) -> Tensor | None:
        held = None if past is None else past[0].source_keys
        if held is None and states is None:
            return None
        rows, keys = ops.shape(states)[:2] if held is None else ops.shape(held)[::2]
        return padding_bias(mask, hidden, (rows, keys))

    def step(
        self, ids: Tensor, start: Size, cache: Cache, source_mask: Tensor | None, prompt_mask: Tensor | None
    ) -> tuple[Tensor, Cache]:
        """The state of the last of these tokens, and the next cache; (r, t) -> (r, 1, d)."""
        output: Any = self.call(
            ids,
            attention_mask=prompt_mask,
            encoder_attention_mask=source_mask,
            output_attentions=False,
            output_hidden_states=False,
            return_dict=True,
            cache=cache,
            start=start,
        )
        return output.last_hidden_state[:, -1:], output.past_key_values

    def empty_cache(self, encoder_states: Tensor | None, rows: Size, length: Size) -> Cache:
        """Room for `length` tokens of `rows` targets; keys and values of the source are made here, once.

        Shapes: encoder_states (b, s, d), b dividing rows; None for a decoder alone.
        """
        return tuple(self._empty_layer(layer, encoder_states, rows, length) for layer in self.layers)

    def _empty_layer(self, layer: DecoderLayer, states: Tensor | None, rows: Size, length: Size) -> LayerCache:
        attention = layer.self_attn
        dtype = self.compute_dtype if states is None else dtype_of(states)
        nothing = ops.zeros((rows, attention.num_heads, length, attention.head_dim), dtype)
        return LayerCache(nothing, nothing, *(() if states is None else layer.encoder_attn.keys_and_values(states)))


def kept_or_new(hidden: Tensor, new: Tensor, layerdrop: float) -> Tensor:
    """What a layer was given, with probability `layerdrop`, else what it made; drawn anew in every run of a graph."""
    return ops.where(chance() < layerdrop, hidden, new)


def token_embedding(config: PreTrainedConfig, name: str = "shared") -> TokenEmbedding:
    """A token table as `config` describes it."""
    return TokenEmbedding(config.vocab_size, config.d_model, config.init_std, name)
