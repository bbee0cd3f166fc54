"""What a forward pass returns: named fields that also read as a tuple and as a dict, under the published names.

A field that is None is not part of the tuple or of the dict, so `outputs[0]` is the loss where there is one.
TensorFlow takes outputs apart as mappings (`tf.function`, `tf.nest`), Keras because they are registered below.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import optree

from bartleby.backends.named_fields import NamedFields
from bartleby.family.config import PreTrainedConfig

Tensor = Any
States = tuple[Tensor, ...]
Output = TypeVar("Output", bound="ModelOutput")


def _register(output: Any) -> None:
    """Let Keras walk into an output, in `predict` and for models of its functional kind."""

    def apart(value: Any) -> tuple[list[Any], tuple[str, ...], tuple[str, ...]]:
        names = tuple(value)
        return list(value.values()), names, names

    def together(names: Any, values: Iterable[Any]) -> Any:
        return output(**dict(zip(names, values, strict=True)))

    optree.register_pytree_node(output, apart, together, namespace="keras")  # the one that Keras looks in


class ModelOutput(NamedFields):
    """Base of all outputs."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _register(cls)


@dataclass
class TFBaseModelOutput(ModelOutput):
    """An encoder's states. Shapes: last_hidden_state (b, s, d); attentions (b, h, s, s) a layer."""

    last_hidden_state: Tensor | None = None
    hidden_states: States | None = None
    attentions: States | None = None


@dataclass
class TFBaseModelOutputWithPastAndCrossAttentions(ModelOutput):
    """A decoder's states. Shapes: last_hidden_state (b, t, d); past_key_values (2, b, h, t, k), cross_attentions
    (b, h, t, s) a layer.
    """

    last_hidden_state: Tensor | None = None
    past_key_values: Any = None
    hidden_states: States | None = None
    attentions: States | None = None
    cross_attentions: States | None = None


@dataclass
class TFSeq2SeqModelOutput(ModelOutput):
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
class TFSeq2SeqLMOutput(ModelOutput):
    """Shapes: logits (b, t, v); loss (n), one for each label that is not -100."""

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
class TFSeq2SeqSequenceClassifierOutput(ModelOutput):
    """Shapes: logits (b, num_labels); loss (b)."""

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
class TFSeq2SeqQuestionAnsweringModelOutput(ModelOutput):
    """Shapes: start_logits and end_logits (b, t); loss (1). Last stands what was not published."""

    loss: Tensor | None = None
    start_logits: Tensor | None = None
    end_logits: Tensor | None = None
    past_key_values: Any = None
    decoder_hidden_states: States | None = None
    decoder_attentions: States | None = None
    encoder_last_hidden_state: Tensor | None = None
    encoder_hidden_states: States | None = None
    encoder_attentions: States | None = None
    cross_attentions: States | None = None


@dataclass
class TFCausalLMOutputWithCrossAttentions(ModelOutput):
    """Shapes: logits (b, t, v); loss (n), one for each label that is not -100."""

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
    """The output, or its tuple where the call or else the configuration asks for that."""
    return output if (config.use_return_dict if return_dict is None else return_dict) else output.to_tuple()


def rest_of(outputs: ModelOutput) -> dict[str, Any]:
    """What a head passes on from the output it stands on."""
    return {name: value for name, value in outputs.items() if name != "last_hidden_state"}
