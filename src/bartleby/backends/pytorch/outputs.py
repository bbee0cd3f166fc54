"""What a forward pass returns: named fields that also read as a tuple and as a dict, under the published names.

A field that is None is not part of the tuple or of the dict, so `outputs[0]` is the loss where there is one.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import torch
from torch import Tensor

from bartleby.family.config import PreTrainedConfig

States = tuple[Tensor, ...]
Output = TypeVar("Output", bound="ModelOutput")


class ModelOutput(OrderedDict[str, Any]):
    """Base of all outputs; subclasses are dataclasses whose fields default to None."""

    def __post_init__(self) -> None:
        for field in fields(self):  # type: ignore[arg-type]  # every subclass is a dataclass
            value = getattr(self, field.name)
            if value is not None:
                super().__setitem__(field.name, value)

    def __getitem__(self, key: str | int | slice) -> Any:
        return super().__getitem__(key) if isinstance(key, str) else self.to_tuple()[key]

    def __setattr__(self, name: str, value: Any) -> None:
        if value is not None and name in self:  # absent while __init__ runs: fields enter the dict in __post_init__
            super().__setitem__(name, value)
        super().__setattr__(name, value)

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, value)
        super().__setattr__(name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), tuple(getattr(self, field.name) for field in fields(self)))  # type: ignore[arg-type]

    def to_tuple(self) -> tuple[Any, ...]:
        """The fields that are set, in order."""
        return tuple(self.values())


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


def asked(config: PreTrainedConfig, attentions: bool | None, hidden_states: bool | None) -> tuple[bool, bool]:
    """Whether to return attentions and hidden states: as the call says, else as the configuration says."""
    return (
        config.output_attentions if attentions is None else attentions,
        config.output_hidden_states if hidden_states is None else hidden_states,
    )


def as_asked(output: Output, config: PreTrainedConfig, return_dict: bool | None) -> Output | tuple[Any, ...]:
    """The output, or its tuple where `return_dict` or the configuration asks for that."""
    return output if (config.return_dict if return_dict is None else return_dict) else output.to_tuple()


def frozen(recorded: list[Tensor] | None) -> tuple[Tensor, ...] | None:
    """A list that layers filled, as outputs hold it."""
    return None if recorded is None else tuple(recorded)


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
