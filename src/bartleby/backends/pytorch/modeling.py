"""The encoder and the decoder of the family in PyTorch: tables, layers and the norms around them.

Definition: `family/reference.py`; this file computes the same with caches, dropout, fused attention and layers run
again in the backward pass. Module names are those of the published checkpoints. `final_norm` and the embedding norms
of `family/architecture.py` are read here; what a layer is made of: layers.py. Heads are in heads.py and readers.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bartleby.backends.pytorch.cache import (
    DynamicCache,
    EncoderDecoderCache,
    adopted,
    keys_to_come,
)
from bartleby.backends.pytorch.layers import DecoderLayer, EncoderLayer, Layer, LearnedPositions, TokenEmbedding
from bartleby.backends.pytorch.masks import causal_bias, padding_bias
from bartleby.backends.pytorch.model import Model, logger, refuse_unknown
from bartleby.backends.pytorch.outputs import (
    BaseModelOutput,
    BaseModelOutputWithPastAndCrossAttentions,
    as_asked,
    asked,
    is_traced,
)
from bartleby.errors import OptionError, ShapeError
from bartleby.family.architecture import EmbeddingNorm, architecture_of
from bartleby.family.config import PreTrainedConfig


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


class Stack(Model):
    """Embeddings, layers and the norms around them: what encoder and decoder share."""

    _gradient_checkpointing_func: Callable[..., Any]
    checkpointed_layers = 1
    """Every how many layers are run again, where `gradient_checkpointing` says that some are."""

    def __init__(
        self,
        config: PreTrainedConfig,
        embedding_norm: EmbeddingNorm,
        layers: list[Layer],
        layerdrop: float,
        embed_tokens: nn.Embedding | None,
    ) -> None:
        super().__init__(config)
        switches = architecture_of(config.model_type)
        d_model = config.d_model
        self.dropout, self.layerdrop, self.padding_idx = config.dropout, layerdrop, config.pad_token_id
        self.embed_tokens = token_embedding(config)
        self.embed_scale = self.embed_tokens.embed_scale
        if embed_tokens is not None:
            self.embed_tokens.weight = embed_tokens.weight
        self.embed_positions = LearnedPositions(config.max_position_embeddings, d_model, switches.position_offset)
        self.norm_before_positions = embedding_norm == "before_positions"
        self.layernorm_embedding = nn.Identity() if embedding_norm == "none" else nn.LayerNorm(d_model)
        self.layers = nn.ModuleList(layers)
        self.layer_norm = nn.LayerNorm(d_model) if switches.final_norm else nn.Identity()
        self.gradient_checkpointing = False

    def get_input_embeddings(self) -> nn.Module:
        return self.embed_tokens

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.embed_tokens = value  # type: ignore[assignment]  # any table of vectors will do

    def embed(
        self,
        input_ids: Tensor | None,
        inputs_embeds: Tensor | None,
        start: int | Tensor = 0,
        position_ids: Tensor | None = None,
    ) -> Tensor:
        """Token and position vectors, normalised; given vectors are taken as already scaled.

        `start` is the position of the first token, or a tensor (t) with those of all; `position_ids` wins over it.
        Shapes: (b, t) ids or (b, t, d) vectors -> (b, t, d).
        """
        tokens = self._token_vectors(input_ids, inputs_embeds)
        if isinstance(start, int):
            positions = self.embed_positions(tokens, start, position_ids=position_ids)
        else:
            positions = self.embed_positions(tokens, position_ids=start if position_ids is None else position_ids)
        if self.norm_before_positions:
            hidden = self.layernorm_embedding(tokens) + positions
        else:
            hidden = self.layernorm_embedding(tokens + positions)
        return F.dropout(hidden, self.dropout, self.training)

    def _token_vectors(self, input_ids: Tensor | None, inputs_embeds: Tensor | None) -> Tensor:
        given = [each for each in (input_ids, inputs_embeds) if each is not None]
        if len(given) != 1:
            raise ShapeError("Exactly one of token ids and embeddings must be given to a stack, but both or none were.")
        if given[0].dim() != (3 if input_ids is None else 2):
            wanted = "ids of shape (batch, length)" if inputs_embeds is None else "vectors of shape (batch, length, d)"
            raise ShapeError(f"A stack reads {wanted}, but was given {tuple(given[0].shape)}.")
        if input_ids is None:
            return given[0]
        vectors: Tensor = self.embed_tokens(input_ids)
        # A table that a caller put here does not scale by itself.
        return vectors if isinstance(self.embed_tokens, TokenEmbedding) else vectors * self.embed_scale

    def run(self, hidden: Tensor, record: Record, arguments: Callable[[int], tuple[Any, ...]]) -> Tensor:
        """Through all layers, each called with the states and `arguments` of its place.

        In training each is left out with probability `layerdrop` (arXiv 1909.11556).
        """
        for index, layer in enumerate(self.layers):
            record.state(hidden)
            if self.training and self.layerdrop > 0 and float(torch.rand(())) < self.layerdrop:
                continue
            if self.runs_again and index % self.checkpointed_layers == 0:
                hidden, *weights = self._gradient_checkpointing_func(layer.__call__, hidden, *arguments(index))
            else:
                hidden, *weights = layer(hidden, *arguments(index))
            record.weights(*weights)
        hidden = self.layer_norm(hidden)
        record.state(hidden)
        return hidden

    @property
    def runs_again(self) -> bool:
        """Whether layers are computed a second time in the backward pass instead of kept: not where none will come."""
        return self.gradient_checkpointing and self.training and torch.is_grad_enabled()

    def head_masks(self, name: str, mask: Tensor | None) -> list[Tensor | None]:
        """The mask (layers, heads) layer by layer.

        Raises: ShapeError if it has another shape.
        """
        if mask is None:
            return [None] * len(self.layers)
        attention: Any = self.layers[0].self_attn
        wanted = (len(self.layers), attention.embed_dim // attention.head_dim)  # pruned heads keep their places
        shape = tuple(mask.shape) if isinstance(mask, Tensor) else type(mask).__name__
        if shape != wanted:
            raise ShapeError(
                f"`{name}` must be a tensor of shape (layers, heads), {wanted}, but is {shape}. "
                "Arguments behind the masks are best passed by name."
            )
        return list(mask.unbind(0))


class Encoder(Stack):
    """Source tokens -> states that see each other in both directions."""

    table_head = "encoder"

    def __init__(self, config: PreTrainedConfig, embed_tokens: nn.Embedding | None = None) -> None:
        layers: list[Layer] = [EncoderLayer(config, index) for index in range(config.encoder_layers)]
        switches = architecture_of(config.model_type)
        super().__init__(config, switches.encoder_embedding_norm, layers, config.encoder_layerdrop, embed_tokens)
        self.max_source_positions = config.max_position_embeddings
        for index, heads in config.pruned_heads.items():
            layers[index].self_attn.prune_heads(heads)
        self.post_init()

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        head_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        **kwargs: Any,
    ) -> BaseModelOutput | tuple[Any, ...]:
        """Shapes: input_ids (b, s); attention_mask (b, s), 1 where a token counts; head_mask (layers, h)
        -> last_hidden_state (b, s, d).
        """
        refuse_unknown(self.forward, kwargs)
        record = Record.of(self.config, output_attentions, output_hidden_states)
        masks = self.head_masks("head_mask", head_mask)
        hidden = self.embed(input_ids, inputs_embeds)
        bias = padding_bias(attention_mask, hidden)
        hidden = self.run(hidden, record, lambda index: (bias, masks[index], record.wants_attentions))
        output = BaseModelOutput(hidden, **record.fields("hidden_states", "attentions"))
        return as_asked(output, self.config, return_dict)


class Decoder(Stack):
    """Target tokens -> states that see what came before them and, where given, the source."""

    table_head = "decoder"

    def __init__(self, config: PreTrainedConfig, embed_tokens: nn.Embedding | None = None) -> None:
        layers: list[Layer] = [DecoderLayer(config, index) for index in range(config.decoder_layers)]
        switches = architecture_of(config.model_type)
        super().__init__(config, switches.decoder_embedding_norm, layers, config.decoder_layerdrop, embed_tokens)
        self.max_target_positions = config.max_position_embeddings
        self.post_init()

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        encoder_hidden_states: Tensor | None = None,
        encoder_attention_mask: Tensor | None = None,
        head_mask: Tensor | None = None,
        cross_attn_head_mask: Tensor | None = None,
        past_key_values: Any = None,
        inputs_embeds: Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        cache_position: Tensor | None = None,
        position_ids: Tensor | None = None,
        **kwargs: Any,
    ) -> BaseModelOutputWithPastAndCrossAttentions | tuple[Any, ...]:
        """Shapes: input_ids (r, t), or only the new tokens when `past_key_values` holds the others; encoder states
        (b, s, d) with b dividing r; attention_mask (r, past + t); head masks (layers, h); cache_position (t), where the
        new tokens stand, needed where the host must not ask a cache for its length; position_ids (t) or (r, t), where
        they shall count as standing -> last_hidden_state (r, t, d).
        """
        refuse_unknown(self.forward, kwargs)
        record = Record.of(self.config, output_attentions, output_hidden_states)
        source = encoder_hidden_states
        record.cross_attentions = [] if record.wants_attentions and source is not None else None
        masks = self.head_masks("head_mask", head_mask), self.head_masks("cross_attn_head_mask", cross_attn_head_mask)
        use_cache, cache = self._cache(past_key_values, use_cache, source)
        start = _positions(cache, input_ids, inputs_embeds) if cache_position is None else cache_position
        hidden = self.embed(input_ids, inputs_embeds, start, position_ids)
        keys = keys_to_come(cache, hidden.shape[1], cache_position)
        explicit = record.wants_attentions or head_mask is not None
        bias = causal_bias(attention_mask, hidden, start, keys, explicit)
        source_bias = None if source is None else padding_bias(encoder_attention_mask, hidden, source.shape[1])

        def arguments(index: int) -> tuple[Any, ...]:
            given = (bias, source, source_bias, masks[0][index], masks[1][index])
            return (*given, cache, record.wants_attentions, cache_position)

        hidden = self.run(hidden, record, arguments)
        output = BaseModelOutputWithPastAndCrossAttentions(
            hidden,
            _as_it_came(cache, past_key_values) if use_cache else None,
            **record.fields("hidden_states", "attentions", "cross_attentions"),
        )
        return as_asked(output, self.config, return_dict)

    def _cache(self, past: Any, use_cache: bool | None, source: Tensor | None) -> tuple[bool, Any]:
        """Whether a cache is given back, and the one that is read and filled."""
        keeps = self.config.use_cache if use_cache is None else use_cache
        if self.runs_again:
            if past is not None:
                raise OptionError(
                    "`past_key_values` must be None while layers run again in training: they would be added twice. "
                    "Call gradient_checkpointing_disable, or train on whole sequences."
                )
            if use_cache:
                logger.warning("`use_cache` is off: layers that run again in training cannot fill a cache.")
            return False, None
        if past is None and keeps:
            has_source = source is not None or self.config.is_encoder_decoder
            past = EncoderDecoderCache(DynamicCache(), DynamicCache()) if has_source else DynamicCache()
        return keeps, adopted(past)


def _as_it_came(cache: Any, given: Any) -> Any:
    """Tuples for tuples; and for a tracer, which knows nothing else."""
    if isinstance(given, tuple | list) or is_traced():
        return cache.to_legacy_cache()
    return cache


def _positions(cache: Any, input_ids: Tensor | None, inputs_embeds: Tensor | None) -> int | Tensor:
    """Where the new tokens stand: the first of them, or (t) all of them when only the device knows how many were."""
    past: int | Tensor = 0 if cache is None else cache.get_seq_length()
    given = input_ids if inputs_embeds is None else inputs_embeds
    if isinstance(past, int) or given is None:
        return past
    return past + torch.arange(given.shape[1], device=past.device)


def token_embedding(config: PreTrainedConfig) -> TokenEmbedding:
    """A token table as `config` describes it."""
    scale = math.sqrt(config.d_model) if config.scale_embedding else 1.0
    return TokenEmbedding(config.vocab_size, config.d_model, config.pad_token_id, scale)
