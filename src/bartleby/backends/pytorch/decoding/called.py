"""Models whose own `forward` has a say: a caller's subclass, a hook, a compiled or patched method.

Decoding asks encoder, decoder and head directly, which is faster. Where somebody has put something of his own in the
place of a published method, each step goes through `prepare_inputs_for_generation` and the model itself, as published.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from bartleby.backends.pytorch.cache import adopted
from bartleby.backends.pytorch.decoding.inputs import Prepared
from bartleby.backends.pytorch.decoding.lookahead import ModelReader
from bartleby.backends.pytorch.decoding.recording import Recorder
from bartleby.backends.pytorch.outputs import BaseModelOutput, BaseModelOutputWithPastAndCrossAttentions
from bartleby.errors import OptionError
from bartleby.generation.config import GenerationConfig
from bartleby.generation.mode import GenerationMode
from bartleby.generation.options import DEFAULTS

METHODS = ("forward", "prepare_inputs_for_generation")


def has_a_say(model: Any) -> bool:
    """Whether a published method of the model, or of the bare one in it, is not the published one any more."""
    return any(_is_changed(part) for part in (model, model.base_model))


def _is_changed(part: nn.Module) -> bool:
    if part._forward_hooks or part._forward_pre_hooks or any(name in vars(part) for name in METHODS):
        return True
    methods = [getattr(type(part), name) for name in METHODS if hasattr(type(part), name)]
    return any(not method.__module__.startswith("bartleby.") for method in methods)


def own_arguments(model: Any, names: set[str]) -> set[str]:
    """Which of `names` the caller's own methods take besides what is published and what are options."""
    if not has_a_say(model):
        return set()
    taken = {name for method in METHODS for name in inspect.signature(getattr(model, method)).parameters}
    return (names & taken) - DEFAULTS.keys()


def refuse_uncalled(options: GenerationConfig, mode: GenerationMode, prepared: Prepared) -> None:
    """Raises: OptionError for ways to decode that would pass by what the caller has made."""
    what = None
    if mode in (GenerationMode.CONTRASTIVE_SEARCH, GenerationMode.ASSISTED_GENERATION):
        what = "A search that looks ahead"
    elif options.cache_implementation == "static":
        what = "A static cache"
    elif prepared.embeds is not None:
        what = "A decoder's prompt of vectors"
    if what is not None:
        raise OptionError(
            f"{what} would pass by this model's own `forward`, or a hook on it. Leave it out, or take off what was "
            "put in the place of the published methods."
        )


class CalledWriter(ModelReader):
    """A writer that calls the model. Every row has its own copy of what belongs to its source, as published."""

    def __init__(
        self, model: Any, prepared: Prepared, recorder: Recorder | None = None, given: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(model, prepared, recorder)
        self.called, self.given = model, given or {}
        self.uses_cache = False

    def take_memory(self, length: int) -> None:
        """As `ModelWriter.take_memory`: the model makes its cache."""
        self.uses_cache = True

    def step(self, ids: Tensor) -> Tensor:
        """As `Writer.step`."""
        if self.cache is not None:
            self._match_rows(len(ids))
        recorder = self.recorder
        asked = {
            "return_dict": True,
            "output_attentions": recorder is not None and recorder.wants_attentions,
            "output_hidden_states": recorder is not None and recorder.wants_hidden_states,
        }
        output = self.called(**self.called.prepare_inputs_for_generation(ids, **self._arguments(ids)) | asked)
        self.cache = adopted(output.get("past_key_values")) if self.uses_cache else None
        logits: Tensor = output.logits[:, -1].float()
        if recorder is not None:
            prefix = "" if self.states is None or "attentions" in output else "decoder_"
            recorder.saw(
                logits,
                BaseModelOutputWithPastAndCrossAttentions(
                    hidden_states=output.get("hidden_states", output.get("decoder_hidden_states")),
                    attentions=output.get(f"{prefix}attentions"),
                    cross_attentions=output.get("cross_attentions"),
                ),
            )
        return logits

    def reorder(self, rows: Tensor) -> None:
        """As `Writer.reorder`."""
        if self.cache is not None:
            self.cache = self.called._reorder_cache(self.cache, rows)

    def _arguments(self, ids: Tensor) -> dict[str, Any]:
        """What `prepare_inputs_for_generation` is given besides ids (r, t), all of it with r rows."""
        states, seen, head_mask = self.states, self.prepared.source_mask, self.prepared.head_mask
        written = self._mask(*ids.shape)
        per_source: dict[str, Any] = dict(self.given)
        arguments: dict[str, Any] = {"cross_attn_head_mask": self.prepared.cross_head_mask}
        if self.called.config.is_encoder_decoder:
            assert states is not None
            arguments |= {"decoder_attention_mask": written, "decoder_head_mask": head_mask}
            arguments["encoder_outputs"] = BaseModelOutput(_repeated(states, len(states), len(ids)))
            per_source["attention_mask"] = torch.ones_like(states[..., 0], dtype=torch.long) if seen is None else seen
        else:
            arguments |= {"attention_mask": torch.ones_like(ids) if written is None else written}
            arguments["head_mask"] = head_mask
            if states is not None:
                per_source |= {"encoder_hidden_states": states, "encoder_attention_mask": seen}
        sources = len(self.prepared.prompts)
        arguments |= {name: _repeated(value, sources, len(ids)) for name, value in per_source.items()}
        said = {name: value for name, value in arguments.items() if value is not None}
        return said | {"past_key_values": self.cache, "use_cache": self.uses_cache}


def _repeated(value: Any, sources: int, rows: int) -> Any:
    """What has a row for each source, with one for each of its rows: (b, …) -> (r, …)."""
    if isinstance(value, Tensor) and value.dim() > 0 and len(value) == sources and rows > sources:
        return value.repeat_interleave(rows // sources, dim=0)
    return value
