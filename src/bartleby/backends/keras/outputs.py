"""What a forward pass returns: named fields that also read as a tuple and as a dict, under the published names.

A field that is None is not part of the tuple or of the dict, so `outputs[0]` is the loss where there is one.
TensorFlow takes outputs apart as mappings (`tf.function`, `tf.nest`), Keras because they are registered below.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import optree

from bartleby.errors import OptionError
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


class ModelOutput(OrderedDict[str, Any]):
    """Base of all outputs; subclasses are dataclasses whose fields default to None."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _register(cls)

    def __post_init__(self) -> None:
        names = [field.name for field in fields(self)]  # type: ignore[arg-type]  # every subclass is a dataclass
        given = {name: getattr(self, name) for name in names}
        pairs = _pairs(given)
        if pairs is not None:  # how TensorFlow puts together what it took apart
            super().__setattr__(names[0], None)
            given.update({names[0]: None, **pairs})
        for name, value in given.items():
            if value is not None:
                self[name] = value

    def __getitem__(self, key: str | int | slice) -> Any:
        return super().__getitem__(key) if isinstance(key, str) else self.to_tuple()[key]

    def __setattr__(self, name: str, value: Any) -> None:
        if value is not None and (name in self or name in self.__dict__):  # not while __init__ runs
            super().__setitem__(name, value)
        super().__setattr__(name, value)

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, value)
        super().__setattr__(name, value)

    def __delitem__(self, name: str) -> None:
        raise self._refusal("del")

    def pop(self, *arguments: Any) -> Any:
        raise self._refusal("pop")

    def update(self, *arguments: Any, **named: Any) -> None:
        raise self._refusal("update")

    def setdefault(self, *arguments: Any) -> Any:
        raise self._refusal("setdefault")

    def _refusal(self, operation: str) -> OptionError:
        name = type(self).__name__
        return OptionError(f"`{operation}` does not work on {name}: its fields stay. Set one, or take `dict(output)`.")

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), tuple(getattr(self, field.name) for field in fields(self)))  # type: ignore[arg-type]

    def to_tuple(self) -> tuple[Any, ...]:
        """The fields that are set, in order."""
        return tuple(self.values())


def _pairs(given: dict[str, Any]) -> dict[str, Any] | None:
    """The fields that the first one holds, when it is a dict or yields pairs of name and value, and is the only one."""
    first, *others = given.values()
    if any(other is not None for other in others) or first is None or hasattr(first, "shape"):
        return None
    items = list(first.items() if isinstance(first, Mapping) else first) if isinstance(first, Iterable) else []
    is_named = bool(items) and all(isinstance(item, tuple | list) and len(item) == 2 for item in items)
    return dict(items) if is_named and all(isinstance(item[0], str) and item[0] in given for item in items) else None


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
