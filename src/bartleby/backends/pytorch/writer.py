"""A model at work for a search: its encoded sources, and the keys and values of what was written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from bartleby.backends.pytorch.cache import DynamicCache, EncoderDecoderCache, StaticCache
from bartleby.backends.pytorch.inputs import Prepared
from bartleby.backends.pytorch.masks import padding_bias
from bartleby.backends.pytorch.outputs import BaseModelOutputWithPastAndCrossAttentions
from bartleby.backends.pytorch.recording import Recorder

if TYPE_CHECKING:
    from bartleby.backends.pytorch.generation import GenerationMixin


class ModelWriter:
    """`search.Writer` over a model. A prompt is read once per source, and so are keys and values of the source."""

    def __init__(self, model: GenerationMixin, prepared: Prepared, recorder: Recorder | None = None) -> None:
        self.model, self.decoder, self.recorder = model, model.get_decoder(), recorder
        self.states = prepared.states
        self.bias = None if self.states is None else padding_bias(prepared.source_mask, self.states)
        self.prompt_mask = prepared.prompt_mask
        self.head_masks = {"head_mask": prepared.head_mask, "cross_attn_head_mask": prepared.cross_head_mask}
        self.cache: Any = prepared.past

    def take_memory(self, length: int) -> None:
        """Keep keys and values of up to `length` tokens a row, instead of computing them again in every step."""
        if self.cache is None:
            self.cache = EncoderDecoderCache(StaticCache(length), DynamicCache())

    def step(self, ids: Tensor) -> Tensor:
        """As `Writer.step`."""
        known = 0 if self.cache is None else self.cache.get_seq_length()
        output = self.read(ids, known)
        assert output.last_hidden_state is not None
        logits = self.model.logits(output.last_hidden_state[:, -1]).float()
        if self.recorder is not None:
            self.recorder.saw(logits, output)
        return logits

    def read(self, ids: Tensor, known: int) -> BaseModelOutputWithPastAndCrossAttentions:
        """What the decoder makes of ids (r, t), of which the cache knows the first `known`."""
        recorder = self.recorder
        return self.decoder(
            ids[:, known:],
            self._mask(*ids.shape),
            self.states,
            self.bias,
            **self.head_masks,
            past_key_values=self.cache,
            use_cache=self.cache is not None,
            output_attentions=recorder is not None and recorder.wants_attentions,
            output_hidden_states=recorder is not None and recorder.wants_hidden_states,
            return_dict=True,
        )

    def _mask(self, rows: int, length: int) -> Tensor | None:
        """The prompts' mask for all rows, with ones for what was written since; (r, t)."""
        if self.prompt_mask is None:
            return None
        ones = self.prompt_mask.new_ones(len(self.prompt_mask), length - self.prompt_mask.shape[1])
        return torch.cat([self.prompt_mask, ones], dim=1).repeat_interleave(rows // len(ones), dim=0)

    def reorder(self, rows: Tensor) -> None:
        """As `Writer.reorder`."""
        if isinstance(self.cache, EncoderDecoderCache):
            self.cache.self_attention_cache.reorder_cache(rows)
        elif self.cache is not None:
            self.cache.reorder_cache(rows)

    def keep(self, sources: Tensor) -> None:
        """As `Writer.keep`."""
        if isinstance(self.cache, EncoderDecoderCache):
            self.cache.cross_attention_cache.reorder_cache(sources)
        self.states = None if self.states is None else self.states[sources]
        self.bias = None if self.bias is None else self.bias[sources]
        self.prompt_mask = None if self.prompt_mask is None else self.prompt_mask[sources]
