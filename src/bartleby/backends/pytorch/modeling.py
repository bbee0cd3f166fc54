"""The encoder and the decoder of the family in PyTorch: attention, layers and stacks. Heads are in heads.py.

Definition: `family/reference.py`; this file computes the same with caches, dropout and fused attention. Module names
are those of the published checkpoints. Every switch of `family/architecture.py` is read in one place: `norm_first` in
`Layer.sublayer`, `final_norm` and the embedding norms in `Stack`, `position_offset` in `LearnedPositions`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bartleby.backends.pytorch.activations import ACTIVATIONS
from bartleby.backends.pytorch.cache import Cache, DynamicCache, EncoderDecoderCache
from bartleby.backends.pytorch.masks import causal_bias, padding_bias
from bartleby.backends.pytorch.outputs import (
    BaseModelOutput,
    BaseModelOutputWithPastAndCrossAttentions,
    as_asked,
    asked,
    frozen,
)
from bartleby.errors import LengthError, ShapeError, VocabularyError
from bartleby.family.architecture import EmbeddingNorm, architecture_of
from bartleby.family.config import PreTrainedConfig


class TokenEmbedding(nn.Embedding):
    """Token vectors, times `scale`; shared by both stacks and the output projection."""

    def __init__(self, rows: int, d_model: int, padding_idx: int | None, scale: float) -> None:
        super().__init__(rows, d_model, padding_idx)
        self.scale = scale

    def forward(self, input: Tensor) -> Tensor:
        try:
            return super().forward(input) * self.scale
        except IndexError:  # raised on CPU only: looking at the ids first would make an accelerator wait
            raise VocabularyError(
                f"Token ids must lie between 0 and {self.num_embeddings - 1}, the rows of the embedding table, but are "
                f"between {int(input.min())} and {int(input.max())}. Use the tokenizer of this checkpoint."
            ) from None


class LearnedPositions(nn.Embedding):
    """One vector a position; the first `offset` rows are skipped."""

    def __init__(self, positions: int, d_model: int, offset: int) -> None:
        super().__init__(positions + offset, d_model)
        self.offset = offset

    def forward(self, length: int, start: int) -> Tensor:  # type: ignore[override]
        """Vectors of the positions start .. start + length - 1, (length, d)."""
        limit = self.num_embeddings - self.offset
        if start + length > limit:
            raise LengthError(
                f"The sequence has {start + length} tokens, but this model has {limit} positions. "
                "Truncate or split the input, or ask for fewer new tokens."
            )
        first = self.offset + start
        return self.weight[first : first + length]


class Attention(nn.Module):
    """Multi-head attention, over the layer's own states or over an encoder's."""

    def __init__(self, config: PreTrainedConfig, heads: int, layer_idx: int, causal: bool) -> None:
        super().__init__()
        d_model = config.d_model
        self.embed_dim, self.num_heads, self.head_dim = d_model, heads, d_model // heads
        self.dropout, self.is_causal, self.layer_idx = config.attention_dropout, causal, layer_idx
        self.scaling = self.head_dim**-0.5
        self.k_proj = nn.Linear(d_model, d_model)
        self.v_proj = nn.Linear(d_model, d_model)
        self.q_proj = nn.Linear(d_model, d_model)
        self.out_proj = nn.Linear(d_model, d_model)

    def forward(
        self,
        hidden: Tensor,
        bias: Tensor | None = None,
        source: Tensor | None = None,
        cache: Cache | EncoderDecoderCache | None = None,
        head_mask: Tensor | None = None,
        record: list[Tensor] | None = None,
    ) -> Tensor:
        """Attend to `source`, or to the states themselves; weights are appended to `record` when it is given.

        Shapes: hidden (r, t, d); source (b, s, d), where b divides r when beams share a source; bias broadcasts to
        (b, h, t, s) and is added to the scores -> (r, t, d).
        """
        query = self._split(self.q_proj(hidden))
        keys, values = self._keys_and_values(hidden, source, cache)
        beams = query.shape[0] // keys.shape[0]
        query = _fold_beams(query, beams)
        if record is None and head_mask is None:
            causal = self.is_causal and bias is None and query.shape[2] > 1
            dropout = self.dropout if self.training else 0.0
            mixed = F.scaled_dot_product_attention(query, keys, values, bias, dropout, is_causal=causal)
        else:
            mixed, weights = self._attend_and_show(query, keys, values, bias, head_mask)
            if record is not None:
                record.append(_unfold_beams(weights, beams))
        mixed = _unfold_beams(mixed, beams)
        return self.out_proj(mixed.transpose(1, 2).flatten(2))  # (r, h, t, k) -> (r, t, d)

    def _keys_and_values(
        self, hidden: Tensor, source: Tensor | None, cache: Cache | EncoderDecoderCache | None
    ) -> tuple[Tensor, Tensor]:
        if source is not None and isinstance(cache, EncoderDecoderCache) and cache.is_updated.get(self.layer_idx):
            layer = cache.cross_attention_cache.layers[self.layer_idx]
            assert layer.keys is not None
            assert layer.values is not None
            return layer.keys, layer.values
        states = hidden if source is None else source
        keys, values = self._split(self.k_proj(states)), self._split(self.v_proj(states))
        if cache is None:
            return keys, values
        if not isinstance(cache, EncoderDecoderCache):
            return (keys, values) if source is not None else cache.update(keys, values, self.layer_idx)
        if source is None:
            return cache.self_attention_cache.update(keys, values, self.layer_idx)
        cache.is_updated[self.layer_idx] = True
        return cache.cross_attention_cache.update(keys, values, self.layer_idx)

    def _split(self, states: Tensor) -> Tensor:
        return states.unflatten(2, (self.num_heads, self.head_dim)).transpose(1, 2)  # (r, t, d) -> (r, h, t, k)

    def _attend_and_show(
        self, query: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None, head_mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The same attention with its weights, which fused kernels never hold; (b, h, t, s)."""
        scores = query @ keys.transpose(2, 3) * self.scaling
        weights = (scores if bias is None else scores + bias).softmax(dim=-1, dtype=torch.float32).to(query.dtype)
        if head_mask is not None:
            weights = weights * head_mask.view(1, -1, 1, 1)
        dropped = F.dropout(weights, self.dropout, self.training)
        return dropped @ values, weights


def _fold_beams(query: Tensor, beams: int) -> Tensor:
    """Beams of one source become more queries of it: (b·n, h, t, k) -> (b, h, n·t, k); its keys are read once."""
    if beams == 1:
        return query
    return query.unflatten(0, (-1, beams)).transpose(1, 2).flatten(2, 3)


def _unfold_beams(mixed: Tensor, beams: int) -> Tensor:
    """The way back: (b, h, n·t, k) -> (b·n, h, t, k)."""
    if beams == 1:
        return mixed
    return mixed.unflatten(2, (beams, -1)).transpose(1, 2).flatten(0, 1)


@dataclass
class Pass:
    """What all layers of one pass through a stack see, and the lists in which they leave what was asked for.

    Shapes: bias broadcasts to (b, h, t, t), source_bias to (b, h, t, s); head masks (layers, h).
    """

    bias: Tensor | None = None
    source: Tensor | None = None
    source_bias: Tensor | None = None
    cache: Cache | EncoderDecoderCache | None = None
    head_mask: Tensor | None = None
    cross_head_mask: Tensor | None = None
    hidden_states: list[Tensor] | None = None
    attentions: list[Tensor] | None = None
    cross_attentions: list[Tensor] | None = None


class Layer(nn.Module):
    """What encoder and decoder layers share: self-attention, the feed-forward, and how a sub-layer joins the rest."""

    is_decoder: ClassVar[bool]

    def __init__(self, config: PreTrainedConfig, heads: int, ffn_dim: int, layer_idx: int) -> None:
        super().__init__()
        self.embed_dim, self.layer_idx = config.d_model, layer_idx
        self.norm_first = architecture_of(config.model_type).norm_first
        self.dropout, self.activation_dropout = config.dropout, config.activation_dropout
        self.activation_fn = ACTIVATIONS[config.activation_function]
        self.self_attn = Attention(config, heads, layer_idx, causal=self.is_decoder)
        self.self_attn_layer_norm = nn.LayerNorm(config.d_model)
        self.fc1 = nn.Linear(config.d_model, ffn_dim)
        self.fc2 = nn.Linear(ffn_dim, config.d_model)
        self.final_layer_norm = nn.LayerNorm(config.d_model)

    def sublayer(self, hidden: Tensor, norm: nn.Module, function: Callable[[Tensor], Tensor]) -> Tensor:
        """`hidden` plus what `function` makes of it, normalised on the way in or on the way out."""
        if self.norm_first:
            return hidden + F.dropout(function(norm(hidden)), self.dropout, self.training)
        return norm(hidden + F.dropout(function(hidden), self.dropout, self.training))

    def attend(self, hidden: Tensor, seen: Pass) -> Tensor:
        """Self-attention, as a sub-layer."""
        head_mask = None if seen.head_mask is None else seen.head_mask[self.layer_idx]
        function = partial(
            self.self_attn, bias=seen.bias, cache=seen.cache, head_mask=head_mask, record=seen.attentions
        )
        return self.sublayer(hidden, self.self_attn_layer_norm, function)

    def feed_forward(self, hidden: Tensor) -> Tensor:
        """The feed-forward, as a sub-layer."""
        return self.sublayer(hidden, self.final_layer_norm, self._expand_and_contract)

    def _expand_and_contract(self, hidden: Tensor) -> Tensor:
        inner = F.dropout(self.activation_fn(self.fc1(hidden)), self.activation_dropout, self.training)
        return self.fc2(inner)


class EncoderLayer(Layer):
    """Self-attention over the whole source, then the feed-forward."""

    is_decoder = False

    def __init__(self, config: PreTrainedConfig, layer_idx: int) -> None:
        super().__init__(config, config.encoder_attention_heads, config.encoder_ffn_dim, layer_idx)

    def forward(self, hidden: Tensor, seen: Pass) -> Tensor:
        hidden = self.feed_forward(self.attend(hidden, seen))
        if hidden.dtype == torch.float16:  # always, without asking: "is any infinite?" would make the device wait
            limit = torch.finfo(torch.float16).max - 1000
            hidden = hidden.clamp(-limit, limit)
        return hidden


class DecoderLayer(Layer):
    """Causal self-attention, attention to the encoder's states where there are any, then the feed-forward."""

    is_decoder = True

    def __init__(self, config: PreTrainedConfig, layer_idx: int) -> None:
        super().__init__(config, config.decoder_attention_heads, config.decoder_ffn_dim, layer_idx)
        self.encoder_attn = Attention(config, config.decoder_attention_heads, layer_idx, causal=False)
        self.encoder_attn_layer_norm = nn.LayerNorm(config.d_model)

    def forward(self, hidden: Tensor, seen: Pass) -> Tensor:
        hidden = self.attend(hidden, seen)
        if seen.source is not None:
            hidden = self.sublayer(hidden, self.encoder_attn_layer_norm, partial(self._look_at_source, seen=seen))
        return self.feed_forward(hidden)

    def _look_at_source(self, hidden: Tensor, seen: Pass) -> Tensor:
        head_mask = None if seen.cross_head_mask is None else seen.cross_head_mask[self.layer_idx]
        return self.encoder_attn(
            hidden, seen.source_bias, seen.source, seen.cache, head_mask=head_mask, record=seen.cross_attentions
        )


class Stack(nn.Module):
    """Embeddings, layers and the norms around them: what encoder and decoder share."""

    def __init__(
        self, config: PreTrainedConfig, embedding_norm: EmbeddingNorm, layers: list[Layer], layerdrop: float
    ) -> None:
        super().__init__()
        switches = architecture_of(config.model_type)
        d_model, positions = config.d_model, config.max_position_embeddings
        self.config, self.dropout, self.layerdrop = config, config.dropout, layerdrop
        self.embed_tokens = token_embedding(config)
        self.embed_positions = LearnedPositions(positions, d_model, switches.position_offset)
        self.norm_before_positions = embedding_norm == "before_positions"
        self.layernorm_embedding = nn.Identity() if embedding_norm == "none" else nn.LayerNorm(d_model)
        self.layers = nn.ModuleList(layers)
        self.layer_norm = nn.LayerNorm(d_model) if switches.final_norm else nn.Identity()
        self.gradient_checkpointing = False

    def embed(self, input_ids: Tensor | None, inputs_embeds: Tensor | None, start: int) -> Tensor:
        """Token and position vectors, normalised; given vectors are taken as already scaled.

        Shapes: (b, t) ids or (b, t, d) vectors -> (b, t, d). `start` is the position of the first token.
        """
        if (input_ids is None) == (inputs_embeds is None):
            raise ShapeError("Exactly one of token ids and embeddings must be given to a stack, but both or none were.")
        tokens = self.embed_tokens(input_ids) if inputs_embeds is None else inputs_embeds
        positions = self.embed_positions(tokens.shape[1], start)
        if self.norm_before_positions:
            hidden = self.layernorm_embedding(tokens) + positions
        else:
            hidden = self.layernorm_embedding(tokens + positions)
        return F.dropout(hidden, self.dropout, self.training)

    def run(self, hidden: Tensor, seen: Pass) -> Tensor:
        """Through all layers; in training each is left out with probability `layerdrop` (arXiv 1909.11556)."""
        for layer in self.layers:
            if seen.hidden_states is not None:
                seen.hidden_states.append(hidden)
            if self.training and self.layerdrop > 0 and float(torch.rand(())) < self.layerdrop:
                continue
            hidden = layer(hidden, seen)
        hidden = self.layer_norm(hidden)
        if seen.hidden_states is not None:
            seen.hidden_states.append(hidden)
        return hidden


class Encoder(Stack):
    """Source tokens -> states that see each other in both directions."""

    def __init__(self, config: PreTrainedConfig) -> None:
        layers: list[Layer] = [EncoderLayer(config, index) for index in range(config.encoder_layers)]
        switches = architecture_of(config.model_type)
        super().__init__(config, switches.encoder_embedding_norm, layers, config.encoder_layerdrop)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        head_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
    ) -> BaseModelOutput | tuple[Any, ...]:
        """Shapes: input_ids (b, s); attention_mask (b, s), 1 where a token counts -> last_hidden_state (b, s, d)."""
        hidden = self.embed(input_ids, inputs_embeds, start=0)
        attentions, hidden_states = asked(self.config, output_attentions, output_hidden_states)
        seen = Pass(
            bias=padding_bias(attention_mask, hidden),
            head_mask=head_mask,
            hidden_states=[] if hidden_states else None,
            attentions=[] if attentions else None,
        )
        output = BaseModelOutput(self.run(hidden, seen), frozen(seen.hidden_states), frozen(seen.attentions))
        return as_asked(output, self.config, return_dict)


class Decoder(Stack):
    """Target tokens -> states that see what came before them and, where given, the source."""

    def __init__(self, config: PreTrainedConfig) -> None:
        layers: list[Layer] = [DecoderLayer(config, index) for index in range(config.decoder_layers)]
        switches = architecture_of(config.model_type)
        super().__init__(config, switches.decoder_embedding_norm, layers, config.decoder_layerdrop)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        encoder_hidden_states: Tensor | None = None,
        encoder_attention_mask: Tensor | None = None,
        head_mask: Tensor | None = None,
        cross_attn_head_mask: Tensor | None = None,
        past_key_values: Cache | EncoderDecoderCache | None = None,
        inputs_embeds: Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
    ) -> BaseModelOutputWithPastAndCrossAttentions | tuple[Any, ...]:
        """Shapes: input_ids (r, t), or only the new tokens when `past_key_values` holds the others; encoder states
        (b, s, d) with b dividing r; attention_mask (r, past + t) -> last_hidden_state (r, t, d).
        """
        use_cache = self.config.use_cache if use_cache is None else use_cache
        if use_cache and past_key_values is None:
            past_key_values = EncoderDecoderCache(DynamicCache(), DynamicCache())
        past = 0 if past_key_values is None else past_key_values.get_seq_length()
        hidden = self.embed(input_ids, inputs_embeds, start=past)
        attentions, hidden_states = asked(self.config, output_attentions, output_hidden_states)
        explicit = attentions or head_mask is not None
        seen = Pass(
            bias=causal_bias(attention_mask, hidden, past, explicit),
            source=encoder_hidden_states,
            source_bias=padding_bias(encoder_attention_mask, hidden),
            cache=past_key_values,
            head_mask=head_mask,
            cross_head_mask=cross_attn_head_mask,
            hidden_states=[] if hidden_states else None,
            attentions=[] if attentions else None,
            cross_attentions=[] if attentions and encoder_hidden_states is not None else None,
        )
        output = BaseModelOutputWithPastAndCrossAttentions(
            self.run(hidden, seen),
            past_key_values if use_cache else None,
            frozen(seen.hidden_states),
            frozen(seen.attentions),
            frozen(seen.cross_attentions),
        )
        return as_asked(output, self.config, return_dict)


def token_embedding(config: PreTrainedConfig) -> TokenEmbedding:
    """A token table as `config` describes it."""
    scale = math.sqrt(config.d_model) if config.scale_embedding else 1.0
    return TokenEmbedding(config.vocab_size, config.d_model, config.pad_token_id, scale)
