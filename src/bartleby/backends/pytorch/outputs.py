"""What a forward pass returns: named fields that also read as a tuple and as a dict, under the published names.

A field that is None is not part of the tuple or of the dict, so `outputs[0]` is the loss where there is one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from bartleby.backends.named_fields import NamedFields
from bartleby.family.config import PreTrainedConfig

States = tuple[Tensor, ...]
Output = TypeVar("Output", bound="ModelOutput")


class ModelOutput(NamedFields):
    """Base of all outputs."""


@dataclass
class BaseModelOutput(ModelOutput):
    """An encoder's states. Shapes: last_hidden_state (b, s, d); attentions (b, h, s, s) a layer."""

    last_hidden_state: Tensor | None = None
    hidden_states: States | None = None
    attentions: States | None = None


@dataclass
class BaseModelOutputWithPastAndCrossAttentions(ModelOutput):
    """A decoder's states. Shapes: last_hidden_state (b, t, d); cross_attentions (b, h, t, s) a layer."""

    last_hidden_state: Tensor | None = None
    past_key_values: Any = None
    hidden_states: States | None = None
    attentions: States | None = None
    cross_attentions: States | None = None


@dataclass
class Seq2SeqModelOutput(ModelOutput):
    """Both stacks; `last_hidden_state` is the decoder's, (b, t, d)."""

    last_hidden_state: Tensor | None = None
    past_key_values: Any = None
    decoder_hidden_states: States | None = None
    decoder_attentions: States | None = None
    cross_attentions: States | None = None
    encoder_last_hidden_state: Tensor | None = None
    encoder_hidden_states: States | None = None
    encoder_attentions: States | None = None


@dataclass
class Seq2SeqLMOutput(ModelOutput):
    """Shapes: logits (b, t, v); loss a scalar, the mean over the labels that are not -100."""

    loss: Tensor | None = None
    logits: Tensor | None = None
    past_key_values: Any = None
    decoder_hidden_states: States | None = None
    decoder_attentions: States | None = None
    cross_attentions: States | None = None
    encoder_last_hidden_state: Tensor | None = None
    encoder_hidden_states: States | None = None
    encoder_attentions: States | None = None


@dataclass
class Seq2SeqSequenceClassifierOutput(ModelOutput):
    """Shapes: logits (b, num_labels)."""

    loss: Tensor | None = None
    logits: Tensor | None = None
    past_key_values: Any = None
    decoder_hidden_states: States | None = None
    decoder_attentions: States | None = None
    cross_attentions: States | None = None
    encoder_last_hidden_state: Tensor | None = None
    encoder_hidden_states: States | None = None
    encoder_attentions: States | None = None


@dataclass
class Seq2SeqQuestionAnsweringModelOutput(ModelOutput):
    """Shapes: start_logits and end_logits (b, t)."""

    loss: Tensor | None = None
    start_logits: Tensor | None = None
    end_logits: Tensor | None = None
    past_key_values: Any = None
    decoder_hidden_states: States | None = None
    decoder_attentions: States | None = None
    cross_attentions: States | None = None
    encoder_last_hidden_state: Tensor | None = None
    encoder_hidden_states: States | None = None
    encoder_attentions: States | None = None


@dataclass
class CausalLMOutputWithCrossAttentions(ModelOutput):
    """Shapes: logits (b, t, v)."""

    loss: Tensor | None = None
    logits: Tensor | None = None
    past_key_values: Any = None
    hidden_states: States | None = None
    attentions: States | None = None
    cross_attentions: States | None = None


def is_traced() -> bool:
    """Whether `torch.jit.trace` is looking."""
    traced: bool = torch.jit.is_tracing()  # type: ignore[attr-defined]  # torch forgets to export it
    return traced


def asked(config: PreTrainedConfig, attentions: bool | None, hidden_states: bool | None) -> tuple[bool, bool]:
    """Whether to return attentions and hidden states: as the call says, else as the configuration says."""
    return (
        config.output_attentions if attentions is None else attentions,
        config.output_hidden_states if hidden_states is None else hidden_states,
    )


def as_asked(output: Output, config: PreTrainedConfig, return_dict: bool | None) -> Output | tuple[Any, ...]:
    """The output, or its tuple where the call or else the configuration asks for that; a tracer takes only tuples."""
    if return_dict is None:
        return_dict = config.use_return_dict and not is_traced()
    return output if return_dict else output.to_tuple()


def _register(output: type[ModelOutput]) -> None:
    """Let torch walk into an output (data parallelism, checkpointing, export)."""
    torch.utils._pytree.register_pytree_node(
        output,
        lambda value: (list(value.values()), list(value.keys())),
        lambda values, names: output(**dict(zip(names, values, strict=True))),
        serialized_type_name=f"bartleby.{output.__name__}",
    )


for _output in ModelOutput.__subclasses__():
    _register(_output)
