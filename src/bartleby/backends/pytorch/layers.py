"""What the stacks are built from: token and position tables, attention, and the two kinds of layer.

Constructors and calls of tables, attention and layers are the published ones; `norm_first` of
`family/architecture.py` is read in `Layer.sublayer`, `position_offset` in `LearnedPositions`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bartleby.backends.pytorch.activations import ACTIVATIONS
from bartleby.errors import ConfigError, LengthError, ShapeError, VocabularyError
from bartleby.family.architecture import architecture_of
from bartleby.family.config import PreTrainedConfig

WithWeights = tuple[Tensor, Tensor | None]


class TokenEmbedding(nn.Embedding):
    """Token vectors, times `embed_scale`; shared by both stacks and the output projection."""

    def __init__(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None, embed_scale: float = 1.0
    ) -> None:
        super().__init__(num_embeddings, embedding_dim, padding_idx)
        self.embed_scale = embed_scale

    def forward(self, input: Tensor) -> Tensor:
        try:
            return super().forward(input) * self.embed_scale
        except IndexError:  # raised on CPU only: looking at the ids first would make an accelerator wait
            raise VocabularyError(
                f"Token ids must lie between 0 and {self.num_embeddings - 1}, the rows of the embedding table, but are "
                f"between {int(input.min())} and {int(input.max())}. Use the tokenizer of this checkpoint."
            ) from None


class LearnedPositions(nn.Embedding):
    """One vector a position; the first `offset` rows are skipped."""

    def __init__(self, num_embeddings: int, embedding_dim: int, offset: int = 2) -> None:
        super().__init__(num_embeddings + offset, embedding_dim)
        self.offset = offset

    def forward(
        self, input_ids: Tensor | torch.Size, past_key_values_length: int = 0, position_ids: Tensor | None = None
    ) -> Tensor:
        """Vectors of the positions that follow `past_key_values_length`, or of `position_ids`; (b, t, d).

        Shapes: input_ids (b, t, …), or only its shape; position_ids (t) or (b, t).
        """
        rows, length = (input_ids.shape if isinstance(input_ids, Tensor) else input_ids)[:2]
        limit = self.num_embeddings - self.offset
        if position_ids is None:
            if past_key_values_length + length > limit:
                raise _too_long(past_key_values_length + length, limit)
            first = self.offset + past_key_values_length
            return self.weight[first : first + length].expand(rows, -1, -1)
        try:
            return super().forward(position_ids + self.offset).expand(rows, -1, -1)
        except IndexError:  # as for tokens
            raise _too_long(int(position_ids.max()) + 1, limit) from None


def _too_long(length: int, limit: int) -> LengthError:
    return LengthError(
        f"The sequence has {length} tokens, but this model has {limit} positions. "
        "Truncate or split the input, or ask for fewer new tokens."
    )


class Attention(nn.Module):
    """Multi-head attention, over the layer's own states or over an encoder's."""

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        is_decoder: bool = False,
        bias: bool = True,
        is_causal: bool = False,
        config: PreTrainedConfig | None = None,
        layer_idx: int | None = None,
    ) -> None:
        super().__init__()
        if embed_dim % num_heads:
            raise ConfigError(f"`embed_dim` must be divisible by `num_heads`, but {embed_dim} is not by {num_heads}.")
        self.embed_dim, self.num_heads, self.head_dim = embed_dim, num_heads, embed_dim // num_heads
        self.dropout, self.is_decoder, self.is_causal = dropout, is_decoder, is_causal
        self.config, self.layer_idx = config, layer_idx
        self.scaling = self.head_dim**-0.5
        self.heads_left = list(range(num_heads))
        self.k_proj = nn.Linear(embed_dim, embed_dim, bias=bias)
        self.v_proj = nn.Linear(embed_dim, embed_dim, bias=bias)
        self.q_proj = nn.Linear(embed_dim, embed_dim, bias=bias)
        self.out_proj = nn.Linear(embed_dim, embed_dim, bias=bias)

    def forward(
        self,
        hidden_states: Tensor,
        key_value_states: Tensor | None = None,
        past_key_values: Any = None,
        attention_mask: Tensor | None = None,
        layer_head_mask: Tensor | None = None,
        output_attentions: bool = False,
        cache_position: Tensor | None = None,
    ) -> WithWeights:
        """Attend to `key_value_states`, or to the states themselves; the weights come back where they are asked for.

        Shapes: hidden_states (r, t, d); key_value_states (b, s, d), where b divides r when beams share a source;
        attention_mask broadcasts to (b, h, t, s) and is added to the scores; layer_head_mask (h) -> (r, t, d) and
        (r, h, t, s).
        """
        query = self._split(self.q_proj(hidden_states))
        keys, values = self._keys_and_values(hidden_states, key_value_states, past_key_values, cache_position)
        beams = query.shape[0] // keys.shape[0]
        query, weights = _fold_beams(query, beams), None
        if output_attentions or layer_head_mask is not None:
            mixed, weights = self._attend_and_show(query, keys, values, attention_mask, layer_head_mask)
            weights = _unfold_beams(weights, beams) if output_attentions else None
        else:
            is_last = query.shape[2] == 1  # `not` below makes a truth of it where an exporter keeps it open
            causal = self.is_causal and attention_mask is None and not is_last
            if learns_openly(query):
                mixed = self._attend_openly(query, keys, values, attention_mask, causal)
            else:
                dropout = self.dropout if self.training else 0.0
                mixed = F.scaled_dot_product_attention(query, keys, values, attention_mask, dropout, is_causal=causal)
        mixed = _unfold_beams(mixed, beams)
        return self.out_proj(mixed.transpose(1, 2).flatten(2)), weights  # (r, h, t, k) -> (r, t, d)

    def _keys_and_values(
        self, hidden: Tensor, source: Tensor | None, past: Any, cache_position: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Of all that may be looked at; what a cache has is not computed again."""
        states = hidden if source is None else source
        if source is None:
            cache = getattr(past, "self_attention_cache", past)
        else:
            cache = getattr(past, "cross_attention_cache", None)  # one for self-attention alone has no place for them
            if cache is not None and past.is_updated.get(self.layer_idx):
                return _held(cache, self.layer_idx, source.shape[1])
        keys, values = self._split(self.k_proj(states)), self._split(self.v_proj(states))
        if cache is None:
            return keys, values
        if source is None:
            return cache.update(keys, values, self.layer_idx, {"cache_position": cache_position})
        past.is_updated[self.layer_idx] = True
        return cache.update(keys, values, self.layer_idx)

    def _split(self, states: Tensor) -> Tensor:
        return states.unflatten(2, (-1, self.head_dim)).transpose(1, 2)  # (r, t, h·k) -> (r, h, t, k)

    def _attend_and_show(
        self, query: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None, head_mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The same attention with its weights, which fused kernels never hold; (b, h, t, s)."""
        scores = finite(query @ keys.transpose(2, 3) * self.scaling)
        if bias is None and self.is_causal and query.shape[2] > 1:
            future = torch.ones(scores.shape[2:], dtype=torch.bool, device=scores.device).triu(1)
            scores = scores.masked_fill(future, torch.finfo(scores.dtype).min)
        exact = torch.promote_types(scores.dtype, torch.float32)  # at least: halves lose too much in the sum
        weights = (scores if bias is None else scores + bias).softmax(dim=-1, dtype=exact).to(query.dtype)
        if head_mask is not None:
            heads = head_mask if len(self.heads_left) == len(head_mask) else head_mask[self.heads_left]
            weights = weights * heads.to(weights.dtype).view(1, -1, 1, 1)
        dropped = F.dropout(weights, self.dropout, self.training)
        return dropped @ values, weights

    def _attend_openly(self, query: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None, causal: bool) -> Tensor:
        """The same once more, in the type of the query throughout, as the fused kernels give it; (r, h, t, k)."""
        scores = query * self.scaling @ keys.transpose(2, 3)
        lowest = torch.finfo(scores.dtype).min
        if causal:
            bias = scores.new_full(scores.shape[2:], lowest).triu(1)
        if bias is not None:
            scores += bias.to(scores.dtype).clamp_min(lowest)  # -inf throughout a row would make it nan
        return F.dropout(scores.softmax(dim=-1), self.dropout, self.training) @ values

    def prune_heads(self, heads: Iterable[int]) -> None:
        """Take these heads out, with their rows and columns; they are counted as in the whole layer.

        Raises: ConfigError if there is no such head, or none would be left.
        """
        gone, whole = set(heads), self.embed_dim // self.head_dim
        kept = [head for head in self.heads_left if head not in gone]
        if not gone <= set(range(whole)) or not kept:
            raise ConfigError(f"Heads to prune must be some, but not all, of 0 to {whole - 1}, but are {sorted(gone)}.")
        places = [self.heads_left.index(head) for head in kept]
        rows = [place * self.head_dim + column for place in places for column in range(self.head_dim)]
        for projection in (self.q_proj, self.k_proj, self.v_proj):
            _keep(projection, rows, dim=0)
        _keep(self.out_proj, rows, dim=1)
        self.heads_left, self.num_heads = kept, len(kept)


def learns_openly(query: Tensor) -> bool:
    """Whether attention is better computed step by step, with its weights kept for the way back.

    In bfloat16 on a CPU the fused kernel, there and back, takes 8 times as long for 16 tokens, 3 times for 128 and
    twice for 512 (benchmarks/training.py has the whole step).
    """
    way_back = torch.is_grad_enabled() and query.requires_grad
    return way_back and query.dtype == torch.bfloat16 and query.device.type == "cpu"


def _keep(projection: nn.Linear, rows: list[int], dim: int) -> None:
    """Keep only these outputs (`dim` 0) or inputs (1) of a projection."""
    index = torch.tensor(rows, device=projection.weight.device)
    for name in ("weight", "bias") if dim == 0 and projection.bias is not None else ("weight",):
        old = getattr(projection, name)
        setattr(projection, name, nn.Parameter(old.detach().index_select(dim, index), old.requires_grad))
    projection.out_features, projection.in_features = projection.weight.shape


def _held(cache: Any, layer: int | None, length: int) -> tuple[Tensor, Tensor]:
    """The keys and values of the source that a cache has.

    Raises: ShapeError if they are of another source.
    """
    if hasattr(cache, "layers"):
        keys, values = cache.layers[layer].keys, cache.layers[layer].values
    else:
        keys, values = cache[layer][:2]
    if keys.shape[2] != length:
        raise ShapeError(
            f"The cache was filled from a source of {keys.shape[2]} tokens, but this one has {length}. "
            "Start a new cache for a new source."
        )
    return keys, values


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


def finite(hidden: Tensor) -> Tensor:
    """Halves held back from overflowing; always, without asking: "is any infinite?" would make the device wait."""
    if hidden.dtype != torch.float16:
        return hidden
    limit = torch.finfo(torch.float16).max - 1000
    return hidden.clamp(-limit, limit)


class Layer(nn.Module):
    """What encoder and decoder layers share: self-attention, the feed-forward, and how a sub-layer joins the rest."""

    is_decoder: ClassVar[bool]

    def __init__(self, config: PreTrainedConfig, heads: int, ffn_dim: int, layer_idx: int | None) -> None:
        super().__init__()
        self.embed_dim, self.layer_idx = config.d_model, layer_idx
        self.norm_first = architecture_of(config.model_type).norm_first
        self.dropout, self.activation_dropout = config.dropout, config.activation_dropout
        self.activation_fn = ACTIVATIONS[config.activation_function]
        dropout, causal = config.attention_dropout, self.is_decoder
        self.self_attn = Attention(
            config.d_model, heads, dropout, causal, is_causal=causal, config=config, layer_idx=layer_idx
        )
        self.self_attn_layer_norm = nn.LayerNorm(config.d_model)
        self.fc1 = nn.Linear(config.d_model, ffn_dim)
        self.fc2 = nn.Linear(ffn_dim, config.d_model)
        self.final_layer_norm = nn.LayerNorm(config.d_model)

    def sublayer(
        self, hidden: Tensor, norm: nn.Module, function: Callable[[Tensor], WithWeights]
    ) -> tuple[Tensor, Tensor | None]:
        """`hidden` plus what `function` makes of it, normalised on the way in or on the way out, and its weights."""
        new, weights = function(norm(hidden) if self.norm_first else hidden)
        joined = finite(hidden + F.dropout(new, self.dropout, self.training))
        return joined if self.norm_first else norm(joined), weights

    def feed_forward(self, hidden: Tensor) -> Tensor:
        """The feed-forward, as a sub-layer."""
        return self.sublayer(hidden, self.final_layer_norm, self._expand_and_contract)[0]

    def _expand_and_contract(self, hidden: Tensor) -> WithWeights:
        inner = self.activation_fn(finite(self.fc1(hidden)))
        return self.fc2(F.dropout(inner, self.activation_dropout, self.training)), None


class EncoderLayer(Layer):
    """Self-attention over the whole source, then the feed-forward."""

    is_decoder = False

    def __init__(self, config: PreTrainedConfig, layer_idx: int | None = None) -> None:
        super().__init__(config, config.encoder_attention_heads, config.encoder_ffn_dim, layer_idx)

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        layer_head_mask: Tensor | None = None,
        output_attentions: bool = False,
    ) -> tuple[Tensor | None, ...]:
        """The states, and behind them the weights where they are asked for; masks as for attention."""
        function = partial(
            self.self_attn,
            attention_mask=attention_mask,
            layer_head_mask=layer_head_mask,
            output_attentions=output_attentions,
        )
        hidden, weights = self.sublayer(hidden_states, self.self_attn_layer_norm, function)
        hidden = finite(self.feed_forward(hidden))
        return (hidden, weights) if output_attentions else (hidden,)


class DecoderLayer(Layer):
    """Causal self-attention, attention to the encoder's states where there are any, then the feed-forward."""

    is_decoder = True

    def __init__(self, config: PreTrainedConfig, layer_idx: int | None = None) -> None:
        super().__init__(config, config.decoder_attention_heads, config.decoder_ffn_dim, layer_idx)
        heads, dropout = config.decoder_attention_heads, config.attention_dropout
        self.encoder_attn = Attention(config.d_model, heads, dropout, True, config=config, layer_idx=layer_idx)
        self.encoder_attn_layer_norm = nn.LayerNorm(config.d_model)

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        encoder_hidden_states: Tensor | None = None,
        encoder_attention_mask: Tensor | None = None,
        layer_head_mask: Tensor | None = None,
        cross_attn_layer_head_mask: Tensor | None = None,
        past_key_values: Any = None,
        output_attentions: bool = False,
        cache_position: Tensor | None = None,
    ) -> tuple[Tensor | None, ...]:
        """The states, and behind them both attentions' weights where they are asked for; masks as for attention."""
        shared = {"past_key_values": past_key_values, "output_attentions": output_attentions}
        function = partial(
            self.self_attn,
            attention_mask=attention_mask,
            layer_head_mask=layer_head_mask,
            cache_position=cache_position,
            **shared,
        )
        hidden, weights = self.sublayer(hidden_states, self.self_attn_layer_norm, function)
        source_weights = None
        if encoder_hidden_states is not None:
            function = partial(
                self.encoder_attn,
                key_value_states=encoder_hidden_states,
                attention_mask=encoder_attention_mask,
                layer_head_mask=cross_attn_layer_head_mask,
                **shared,
            )
            hidden, source_weights = self.sublayer(hidden, self.encoder_attn_layer_norm, function)
        hidden = self.feed_forward(hidden)
        return (hidden, weights, source_weights) if output_attentions else (hidden,)
