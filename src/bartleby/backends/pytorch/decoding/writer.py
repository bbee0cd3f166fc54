"""A model at work for a search: its encoded sources, and the keys and values of what was written."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from bartleby.backends.pytorch.cache import Cache, DynamicCache, EncoderDecoderCache, StaticCache, adopted
from bartleby.backends.pytorch.decoding.inputs import Prepared, WritingModel
from bartleby.backends.pytorch.decoding.recording import Recorder
from bartleby.backends.pytorch.masks import padding_bias
from bartleby.backends.pytorch.outputs import BaseModelOutputWithPastAndCrossAttentions


class ModelWriter:
    """`search.Writer` over a model. A prompt is read once per source, and so are keys and values of the source."""

    def __init__(self, model: WritingModel, prepared: Prepared, recorder: Recorder | None = None) -> None:
        self.model, self.decoder, self.recorder = model, model.get_decoder(), recorder
        self.states = prepared.states
        self.bias = None if self.states is None else padding_bias(prepared.source_mask, self.states)
        self.prompt_mask = prepared.prompt_mask
        self.head_masks = {"head_mask": prepared.head_mask, "cross_attn_head_mask": prepared.cross_head_mask}
        self.embeds = prepared.embeds
        self.prompt_length, self.unnamed = prepared.prompts.shape[1], prepared.unnamed
        self.cache: Any = None if prepared.past is None else continued(prepared.past, self.states is not None)

    def take_memory(self, length: int) -> None:
        """Keep keys and values of up to `length` tokens a row, instead of computing them again in every step."""
        length += self.unnamed
        if self.cache is None:
            self.cache = EncoderDecoderCache(StaticCache(length), DynamicCache())
        elif 0 <= _room(self.cache) < length:
            self.cache = moved(self.cache, StaticCache(length))

    def cache_to_show(self) -> Any:
        """What was read, as callers expect it: without room left over, so that it can grow."""
        cache = self.cache
        if not isinstance(cache, EncoderDecoderCache) or not isinstance(cache.self_attention_cache, StaticCache):
            return cache
        own = DynamicCache(cache.self_attention_cache)
        return own if self.states is None else EncoderDecoderCache(own, cache.cross_attention_cache)

    def step(self, ids: Tensor) -> Tensor:
        """As `Writer.step`."""
        if self.cache is not None:
            self._match_rows(len(ids))
        output = self.read(ids, 0 if self.cache is None else self.cache.get_seq_length())
        assert output.last_hidden_state is not None
        logits = self.model.lm_logits(output.last_hidden_state[:, -1]).float()
        if self.recorder is not None:
            self.recorder.saw(logits, output)
        return logits

    def read(self, ids: Tensor, known: int) -> BaseModelOutputWithPastAndCrossAttentions:
        """What the decoder makes of ids (r, t), of which the cache knows the first `known`."""
        recorder = self.recorder
        return self.decoder(
            **self._unread(ids, known),
            encoder_hidden_states=self.states,
            encoder_attention_mask=self.bias,
            **self.head_masks,
            past_key_values=self.cache,
            use_cache=self.cache is not None,
            output_attentions=recorder is not None and recorder.wants_attentions,
            output_hidden_states=recorder is not None and recorder.wants_hidden_states,
            return_dict=True,
        )

    def _unread(self, ids: Tensor, known: int) -> dict[str, Tensor | None]:
        """What the decoder is to read, and the mask of all it has read then."""
        if self.embeds is None:
            return {"input_ids": ids[:, known:], "attention_mask": self._mask(*ids.shape)}
        mask = self._mask(len(ids), ids.shape[1] + self.unnamed)
        if known:
            return {"input_ids": ids[:, known - self.unnamed :], "attention_mask": mask}
        vectors = self.embeds.repeat_interleave(len(ids) // len(self.embeds), dim=0)
        written = ids[:, self.prompt_length :]
        if written.shape[1]:
            vectors = torch.cat([vectors, self.decoder.embed_tokens(written)], dim=1)
        return {"inputs_embeds": vectors, "attention_mask": mask}

    def _match_rows(self, rows: int) -> None:
        """Of a cache from an earlier call, a copy for each row that is written for a source."""
        own = getattr(self.cache, "self_attention_cache", self.cache)
        held = next((len(layer.keys) for layer in own.layers if layer.keys is not None), rows)
        if held < rows and rows % held == 0:
            own.batch_repeat_interleave(rows // held)

    def _mask(self, rows: int, length: int) -> Tensor | None:
        """The prompts' mask for all rows, with ones for what was written since; (r, t)."""
        if self.prompt_mask is None:
            return None
        ones = self.prompt_mask.new_ones(len(self.prompt_mask), length - self.prompt_mask.shape[1])
        return torch.cat([self.prompt_mask, ones], dim=1).repeat_interleave(rows // len(ones), dim=0)

    def reorder(self, rows: Tensor) -> None:
        """As `Writer.reorder`."""
        if self.cache is not None:
            getattr(self.cache, "self_attention_cache", self.cache).reorder_cache(rows)

    def keep(self, sources: Tensor) -> None:
        """As `Writer.keep`."""
        if hasattr(self.cache, "cross_attention_cache"):
            self.cache.cross_attention_cache.reorder_cache(sources)
        self.states = None if self.states is None else self.states[sources]
        self.bias = None if self.bias is None else self.bias[sources]
        self.prompt_mask = None if self.prompt_mask is None else self.prompt_mask[sources]
        self.embeds = None if self.embeds is None else self.embeds[sources]


def continued(past: Any, has_source: bool) -> Any:
    """The cache to go on with: the caller's own, which is written on as published, or one of a caller's tensors."""
    cache = adopted(past)
    if has_source and not hasattr(cache, "cross_attention_cache"):
        return EncoderDecoderCache(cache, DynamicCache())
    return cache


def moved(cache: Any, roomier: Cache) -> EncoderDecoderCache:
    """The same keys and values where there is more room."""
    own, source = getattr(cache, "self_attention_cache", cache), getattr(cache, "cross_attention_cache", DynamicCache())
    for index, layer in enumerate(own.layers):
        if layer.keys is not None:
            roomier.update(layer.keys, layer.values, index)
    return EncoderDecoderCache(roomier, source)


def _room(cache: Any) -> int:
    """Positions that a cache has room for; -1 if there is no limit."""
    own = getattr(cache, "self_attention_cache", cache)
    return own.get_max_length() if isinstance(own, Cache) else -1
