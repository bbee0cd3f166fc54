"""What a pass returns: named fields that also read as a tuple and as a dict, under the published names.

They are frozen pytrees, so that `jit`, `vmap` and `grad` let them through. A field that is None is not part of the
tuple or of the dict.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from dataclasses import fields, replace
from typing import Any, Self, TypeVar, dataclass_transform

from flax import struct
from jax import Array

from bartleby.family.config import PreTrainedConfig

States = tuple[Array, ...]
Output = TypeVar("Output", bound="ModelOutput")


@dataclass_transform(frozen_default=True, eq_default=False)
def output(cls: type[Output]) -> type[Output]:
    """A frozen dataclass that JAX walks into."""
    return struct.dataclass(cls, eq=False)  # as arrays are, outputs are not simply equal or unequal


class ModelOutput(Mapping[str, Any]):
    """Base of all outputs; subclasses are frozen dataclasses whose fields default to None."""

    def _set(self) -> dict[str, Any]:
        values = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        return {name: value for name, value in values.items() if value is not None}

    def __getitem__(self, key: Any) -> Any:
        """By name, or by place among the fields that are set."""
        return self._set()[key] if isinstance(key, str) else self.to_tuple()[key]

    def __setitem__(self, name: str, value: Any) -> None:
        if name not in {field.name for field in fields(self)}:  # type: ignore[arg-type]  # subclasses are dataclasses
            raise KeyError(f"{type(self).__name__} has no field {name!r}.")
        object.__setattr__(self, name, value)

    def __iter__(self) -> Iterator[str]:
        return iter(self._set())

    def __len__(self) -> int:
        return len(self._set())

    def keys(self) -> KeysView[str]:
        return self._set().keys()

    def values(self) -> ValuesView[Any]:
        return self._set().values()

    def items(self) -> ItemsView[str, Any]:
        return self._set().items()

    def to_tuple(self) -> tuple[Any, ...]:
        """The fields that are set, in order."""
        return tuple(self._set().values())

    def replace(self, **updates: Any) -> Self:
        """A new one, with other values in these fields."""
        return replace(self, **updates)  # type: ignore[type-var]


@output
class FlaxBaseModelOutput(ModelOutput):
    """An encoder's states. Shapes: last_hidden_state (b, s, d); attentions (b, h, s, s) a layer."""

    last_hidden_state: Array | None = None
    hidden_states: States | None = None
    attentions: States | None = None


@output
class FlaxBaseModelOutputWithPastAndCrossAttentions(ModelOutput):
    """A decoder's states. Shapes: last_hidden_state (b, t, d); cross_attentions (b, h, t, s) a layer."""

    last_hidden_state: Array | None = None
    past_key_values: Any = None
    hidden_states: States | None = None
    attentions: States | None = None
    cross_attentions: States | None = None


@output
class FlaxSeq2SeqModelOutput(ModelOutput):
    """Both stacks; `last_hidden_state` is the decoder's, (b, t, d)."""

    last_hidden_state: Array | None = None
    past_key_values: Any = None
    decoder_hidden_states: States | None = None
    decoder_attentions: States | None = None
    cross_attentions: States | None = None
    encoder_last_hidden_state: Array | None = None
    encoder_hidden_states: States | None = None
    encoder_attentions: States | None = None


@output
class FlaxSeq2SeqLMOutput(ModelOutput):
    """Shapes: logits (b, t, v)."""

    logits: Array | None = None
    past_key_values: Any = None
    decoder_hidden_states: States | None = None
    decoder_attentions: States | None = None
    cross_attentions: States | None = None
    encoder_last_hidden_state: Array | None = None
    encoder_hidden_states: States | None = None
    encoder_attentions: States | None = None


@output
class FlaxSeq2SeqSequenceClassifierOutput(ModelOutput):
    """Shapes: logits (b, num_labels)."""

    logits: Array | None = None
    past_key_values: Any = None
    decoder_hidden_states: States | None = None
    decoder_attentions: States | None = None
    cross_attentions: States | None = None
    encoder_last_hidden_state: Array | None = None
    encoder_hidden_states: States | None = None
    encoder_attentions: States | None = None


@output
class FlaxSeq2SeqQuestionAnsweringModelOutput(ModelOutput):
    """Shapes: start_logits and end_logits (b, t)."""

    start_logits: Array | None = None
    end_logits: Array | None = None
    past_key_values: Any = None
    decoder_hidden_states: States | None = None
    decoder_attentions: States | None = None
    cross_attentions: States | None = None
    encoder_last_hidden_state: Array | None = None
    encoder_hidden_states: States | None = None
    encoder_attentions: States | None = None


@output
class FlaxCausalLMOutputWithCrossAttentions(ModelOutput):
    """Shapes: logits (b, t, v)."""

    logits: Array | None = None
    past_key_values: Any = None
    hidden_states: States | None = None
    attentions: States | None = None
    cross_attentions: States | None = None


@output
class DecodedLogits(FlaxCausalLMOutputWithCrossAttentions):
    """What `decode` of a model that writes gives.

    A documented example reads the decoder's states off it, so it has them; they are no part of its tuple or dict.
    """

    last_hidden_state: Array | None = None

    def _set(self) -> dict[str, Any]:
        return {name: value for name, value in super()._set().items() if name != "last_hidden_state"}


def asked(config: PreTrainedConfig, attentions: bool | None, hidden_states: bool | None) -> tuple[bool, bool]:
    """Whether to return attentions and hidden states: as the call says, else as the configuration says."""
    return (
        config.output_attentions if attentions is None else attentions,
        config.output_hidden_states if hidden_states is None else hidden_states,
    )


def as_asked(output: Output, config: PreTrainedConfig, return_dict: bool | None) -> Output | tuple[Any, ...]:
    """The output, or its tuple where the call or else the configuration asks for that."""
    wants_names = config.return_dict if return_dict is None else return_dict
    return output if wants_names else output.to_tuple()
