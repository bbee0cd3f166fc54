"""What every model of the family has besides its computation: its config, its variables, the inputs it asks for."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import keras
import tensorflow as tf

from bartleby.backends.keras.datasets import Feeding
from bartleby.backends.keras.inputs import Called, argument_names
from bartleby.backends.keras.portable import refuse_unknown_backend, require_tensorflow
from bartleby.backends.keras.pretrained import TFPreTrainedModel
from bartleby.backends.keras.resizing import Resizing
from bartleby.backends.keras.teaching import Teaching
from bartleby.checkpoints.names import own_name
from bartleby.errors import ArgumentError, ConfigError, ShapeError, raise_all
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


class Model(Called, Teaching, Feeding, Resizing, TFPreTrainedModel):
    """Base of the bare models and of all heads."""

    config_class: ClassVar[type[PreTrainedConfig]] = PreTrainedConfig
    table_head: ClassVar[Head] = "none"
    supports_xla_generation: ClassVar[bool] = True

    def __init__(
        self,
        config: PreTrainedConfig,
        load_weight_prefix: None = None,
        *inputs: Any,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        refuse_unknown_backend()
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

    def build_in_name_scope(self) -> None:
        """As `build`."""

    def num_parameters(self, only_trainable: bool = False) -> int:
        """How many numbers there are, or how many of them are trained; those that are tied once."""
        return sum(math.prod(each.shape) for each in (self.trainable_weights if only_trainable else self.weights))

    @property
    def input_signature(self) -> dict[str, tf.TensorSpec]:
        """What an exported model takes: ids and masks of any size."""
        known = argument_names(type(self))
        return {name: tf.TensorSpec((None, None), tf.int32, name=name) for name in SIGNED if name in known}

    @property
    def dummy_inputs(self) -> dict[str, Tensor]:
        """One short row: enough for a pass."""
        ids = tf.fill((1, 2), self.config.eos_token_id or 0)
        return {name: tf.ones_like(ids) if name.endswith("mask") else ids for name in self.input_signature}

    def export(self, filepath: Any, format: str = "tf_saved_model", verbose: bool | None = None, **kwargs: Any) -> None:
        """As Keras exports, but with `serving`'s outputs: a SavedModel holds tensors by name, and no tuples of them.

        `input_signature` is the model's own unless given; of other formats, Keras says what they want.
        """
        require_tensorflow("`export`")
        if format != "tf_saved_model":
            super().export(filepath, format=format, verbose=verbose, **kwargs)
            return
        signature = kwargs.pop("input_signature", None) or [self.input_signature]
        raise_all(ArgumentError, [f"`{name}` is no argument of `export` here." for name in kwargs], type(self).__name__)
        archive = keras.export.ExportArchive()
        archive.track(self)
        archive.add_endpoint("serve", lambda *inputs: self.serving_output(self(*inputs)), signature)
        archive.write_out(filepath, verbose=verbose is not False)

    def get_config(self) -> dict[str, Any]:
        return self.config.to_dict()

    @classmethod
    def from_config(cls, config: Any, **kwargs: Any) -> Model:
        """A new model of a config, or of the dict of one, as Keras keeps it."""
        return cls(config if isinstance(config, PreTrainedConfig) else cls.config_class.from_dict(config), **kwargs)

    # Heads of attention

    def get_head_mask(self, head_mask: Tensor | None, num_hidden_layers: int) -> Any:
        """A mask (h) or (layers, h) as (layers, 1, h, 1, 1), to multiply weights with; without one, None a layer.

        Raises: ShapeError if it has other axes.
        """
        if head_mask is None:
            return [None] * num_hidden_layers
        mask = tf.cast(head_mask, tf.float32)
        if mask.shape.rank == 1:
            mask = tf.repeat(mask[None], num_hidden_layers, axis=0)
        if mask.shape.rank != 2:
            raise ShapeError(f"`head_mask` must have 1 or 2 axes, but has shape {tuple(mask.shape)}.")
        return mask[:, None, :, None, None]

    def prune_heads(self, heads_to_prune: Mapping[int, Iterable[int]]) -> None:
        """Take heads out of the self-attention of encoder layers: {layer: heads}, counted as in the whole model.

        The config remembers them in `pruned_heads`, so that what is saved can be loaded.
        Raises: ConfigError for layers or heads that are not there, and for a model without an encoder.
        """
        layers = [] if self.table_head == "causal_lm" else self.get_encoder().layers
        if any(layer not in range(len(layers)) for layer in heads_to_prune):
            raise ConfigError(
                f"Heads can be pruned in {len(layers)} encoder layers, but {dict(heads_to_prune)} names others."
            )
        for layer, heads in heads_to_prune.items():
            gone = set(heads) | set(self.config.pruned_heads.get(layer, ()))
            layers[layer].self_attn.prune_heads(gone)
            self.config.pruned_heads[layer] = sorted(gone)

    # What heads that write have

    def get_output_embeddings(self) -> keras.layers.Layer | None:
        """The layer that scores every token, which is the input table where they are tied; None without such a head."""
        return None

    def set_output_embeddings(self, value: keras.layers.Layer) -> None:
        """Put another layer in its place."""
        raise ConfigError(f"{type(self).__name__} has no projection to tokens that could be replaced.")

    def get_lm_head(self) -> keras.layers.Layer | None:
        """Another name of the output embeddings."""
        return self.get_output_embeddings()

    def get_output_layer_with_bias(self) -> keras.layers.Layer | None:
        """The older name of `get_lm_head`."""
        return self.get_lm_head()

    def get_bias(self) -> dict[str, keras.Variable] | None:
        """What is added to the scores of tokens, by name; None where nothing is."""
        return None

    def set_bias(self, value: Mapping[str, Any]) -> None:
        """Put other numbers in its place."""
        raise ConfigError(f"{type(self).__name__} adds no bias to scores of tokens.")

    def get_prefix_bias_name(self) -> None:
        """What stands before the name of the bias: nothing."""
