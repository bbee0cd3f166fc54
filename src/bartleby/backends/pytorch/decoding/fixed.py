"""A writer whose steps all have one shape, so that they can be compiled or captured as a graph.

It must equal the plain code in writer.py. What it changes: all memory is taken before the first step, a step writes at
a place that a tensor says, and attention looks at the whole memory, with a mask over what is not written yet. That is
more to compute, and for an accelerator less to wait for: one launch in the place of hundreds. `cache_implementation`
"static" asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache as once
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from bartleby.backends.pytorch.cache import EncoderDecoderCache, StaticCache
from bartleby.backends.pytorch.cache_layers import UNLIMITED
from bartleby.backends.pytorch.decoding.inputs import Prepared, WritingModel
from bartleby.backends.pytorch.decoding.recording import Recorder
from bartleby.backends.pytorch.decoding.writer import ModelWriter
from bartleby.errors import OptionError
from bartleby.generation.compiling import compile_arguments
from bartleby.generation.config import GenerationConfig

Step = Callable[..., Tensor]
MODE = {"mode": "reduce-overhead", "dynamic": False}
"""CUDA graphs, one for each shape of batch; past torch's limit of programs steps run as they are, and torch says so."""

_memories: WeakKeyDictionary[Any, tuple[tuple[Any, ...], EncoderDecoderCache]] = WeakKeyDictionary()
"""The memory that each model used last: a captured graph is bound to its place."""


class FixedWriter(ModelWriter):
    """`search.Writer` for a whole search, in which every step but the first reads one token of every row."""

    def __init__(
        self, model: WritingModel, prepared: Prepared, recorder: Recorder | None, compiled: Mapping[str, Any] | None
    ) -> None:
        """`compiled`: what to call torch.compile with; None not to."""
        super().__init__(model, prepared, recorder)
        if prepared.past is not None:
            raise OptionError(
                '`cache_implementation` must not be "static" where writing goes on from `past_key_values`: '
                "their shapes are what they are. Leave it out."
            )
        self.shows = recorder is not None and (recorder.wants_attentions or recorder.wants_hidden_states)
        self.again = score_next if compiled is None else compiled_step(_as_key(compiled))
        self.known = 0
        self.mask: Tensor | None = None

    def take_memory(self, length: int) -> None:
        """As `ModelWriter.take_memory`, for all steps and, at its first use, for the source."""
        self.room = length + self.unnamed
        self.sources = (0, 0) if self.states is None else tuple(self.states.shape[:2])
        is_inference = torch.is_inference_mode_enabled()  # what is made there cannot be written to elsewhere
        self.key = (self.room, self.sources, self.model.device, self.model.dtype, is_inference)
        key, memory = _memories.pop(self.model, (None, None))
        if memory is None or key != self.key:
            memory = self._new_memory()
        memory.reset()
        self.cache = memory

    def _new_memory(self) -> EncoderDecoderCache:
        return EncoderDecoderCache(StaticCache(self.room), StaticCache(self.sources[1]))

    def give_memory_back(self) -> None:
        """For the next call of the same shape; not where the caller was given it."""
        if self.cache is not None:
            _memories[self.model] = (self.key, self.cache)

    def cache_to_show(self) -> Any:
        """As it is: of a static cache, the room is what was asked for."""
        return self.cache

    def step(self, ids: Tensor) -> Tensor:
        """As `Writer.step`; the host counts the tokens itself and asks the device nothing."""
        if self.cache is None:
            return super().step(ids)
        if self.known == 0 and self.cache.self_attention_cache.batch_size not in (UNLIMITED, len(ids)):
            self.cache = self._new_memory()  # what was lent is of other rows
        if self.mask is None and self.prompt_mask is not None:
            self.mask = self._mask(len(ids), self.room)
        unread = self._unread(ids, self.known)
        unread["attention_mask"] = self.mask
        length = ids.shape[1] + self.unnamed
        positions = torch.arange(self.known, length, device=ids.device)
        is_first, self.known = self.known == 0, length
        reading = {
            **unread,
            **self.head_masks,
            "encoder_hidden_states": self.states,
            "encoder_attention_mask": self.bias,
            "past_key_values": self.cache,
            "cache_position": positions,
        }
        if self.shows:
            return self._score_and_show(reading)
        logits = (score_next if is_first else self.again)(self.model, **reading)
        if self.recorder is not None:
            self.recorder.saw(logits, None)
        return logits

    def _score_and_show(self, reading: Mapping[str, Any]) -> Tensor:
        assert self.recorder is not None
        output = self.decoder(
            **reading,
            output_attentions=self.recorder.wants_attentions,
            output_hidden_states=self.recorder.wants_hidden_states,
            return_dict=True,
        )
        logits = self.model.lm_logits(output.last_hidden_state[:, -1]).float()
        self.recorder.saw(logits, output)
        return logits


def score_next(model: WritingModel, **reading: Any) -> Tensor:
    """Float32 logits (r, v) of what comes after the last token read."""
    output = model.get_decoder()(
        **reading, use_cache=True, output_attentions=False, output_hidden_states=False, return_dict=False
    )
    return model.lm_logits(output[0][:, -1]).float()


@once
def compiled_step(settings: tuple[tuple[str, Any], ...]) -> Step:
    """`score_next`, compiled; one for all models, because torch keeps a program for each kind of input itself."""
    arguments: dict[str, Any] = {name: dict(value) if isinstance(value, tuple) else value for name, value in settings}
    step: Step = torch.compile(score_next, **arguments)
    return step


def _as_key(settings: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Something that `compiled_step` can remember; `options` are a dictionary, which cannot be."""
    return tuple(
        (name, tuple(sorted(value.items())) if isinstance(value, Mapping) else value)
        for name, value in sorted(settings.items())
    )


def compile_settings(options: GenerationConfig, device: torch.device) -> dict[str, Any] | None:
    """What to call torch.compile with: as `compile_config` says; without it, graphs on a GPU and nothing on a CPU."""
    given = options.compile_config
    if options.disable_compile or (given is None and device.type != "cuda"):
        return None
    if given is None:
        return dict(MODE)
    return compile_arguments(given)
