"""What every model of the family has besides its computation: its config, its variables, the inputs it asks for."""

from __future__ import annotations

from typing import Any, ClassVar

import keras
import tensorflow as tf

from bartleby.backends.keras.inputs import Called
from bartleby.backends.keras.pretrained import TFPreTrainedModel
from bartleby.checkpoints.names import own_name
from bartleby.errors import ArgumentError, ConfigError, raise_all
from bartleby.family.config import PreTrainedConfig
from bartleby.family.parameters import Head, Parameter, parameter_table

Tensor = Any

VARIABLES = {
    "linear": {"weight": "kernel", "bias": "bias"},
    "norm": {"weight": "gamma", "bias": "beta"},
    "embedding": {"weight": "embeddings"},
    "buffer": {},
}
"""What Keras calls the tensors of a canonical name, by kind of layer."""

SIGNED = ("input_ids", "attention_mask", "decoder_input_ids", "decoder_attention_mask")
"""Inputs that an exported model takes, as far as the model has them."""


class Model(Called, TFPreTrainedModel):
    """Base of the bare models and of all heads."""

    config_class: ClassVar[type[PreTrainedConfig]] = PreTrainedConfig
    table_head: ClassVar[Head] = "none"

    def __init__(
        self,
        config: PreTrainedConfig,
        load_weight_prefix: None = None,
        *inputs: Any,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        faults = [f"`{key}` is no argument of this model." for key in kwargs]
        if load_weight_prefix is not None:
            faults.append("`load_weight_prefix` must be None: names of weights do not depend on where a model stands.")
        if inputs:
            faults.append(f"There are {len(inputs)} more arguments by position than there are names for.")
        raise_all(ArgumentError, faults, type(self).__name__)
        super().__init__(name=name)
        if not isinstance(config, self.config_class):
            raise ConfigError(
                f"{type(self).__name__} needs a {self.config_class.__name__}, but was given a {type(config).__name__}."
            )
        config.check_buildable()
        self.config = config
        self.name_or_path = config.name_or_path
        self.built = True

    def variables_by_name(self) -> dict[str, keras.Variable]:
        """Every variable by its canonical name, those that are tied once; kernels are canonical weights transposed."""
        table = parameter_table(self.config, self.table_head)
        return {parameter.name: self._variable(parameter) for parameter in table if parameter.tied_to is None}

    def _variable(self, parameter: Parameter) -> keras.Variable:
        found: Any = self
        *path, last = own_name(parameter.name, self.table_head).split(".")
        for part in path:
            found = found[int(part)] if part.isdecimal() else getattr(found, part)
        return getattr(found, VARIABLES[parameter.kind].get(last, last))

    def build(self, input_shape: Any = None) -> None:
        """Nothing is left to do: sizes are known from the config."""

    @property
    def input_signature(self) -> dict[str, tf.TensorSpec]:
        """What an exported model takes: ids and masks of any size."""
        return {name: tf.TensorSpec((None, None), tf.int32, name=name) for name in SIGNED}

    @property
    def dummy_inputs(self) -> dict[str, Tensor]:
        """One short row: enough for a pass."""
        ids = tf.fill((1, 2), self.config.eos_token_id or 0)
        return {name: tf.ones_like(ids) if name.endswith("mask") else ids for name in self.input_signature}

    def get_config(self) -> dict[str, Any]:
        return self.config.to_dict()

    @classmethod
    def from_config(cls, config: Any, **kwargs: Any) -> Model:
        """A new model of a config, or of the dict of one, as Keras keeps it."""
        return cls(config if isinstance(config, PreTrainedConfig) else cls.config_class.from_dict(config), **kwargs)
