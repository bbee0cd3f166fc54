"""What every Flax model of the family has: a linen module that computes, and the parameters it computes with."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax.core import unfreeze
from flax.errors import (
    ApplyScopeInvalidVariablesStructureError,
    ScopeCollectionNotFound,
    ScopeParamNotFoundError,
    ScopeParamShapeError,
)
from flax.traverse_util import flatten_dict, unflatten_dict
from jax import Array

from bartleby.backends.flax import inputs
from bartleby.backends.flax.pretrained import FlaxPreTrainedModel
from bartleby.errors import ArgumentError, ConfigError, OptionError, raise_all
from bartleby.family.config import PreTrainedConfig
from bartleby.family.parameters import Head

Params = dict[str, Any]

UNFIT = (
    ApplyScopeInvalidVariablesStructureError,
    ScopeCollectionNotFound,
    ScopeParamNotFoundError,
    ScopeParamShapeError,
)
"""What Flax raises for parameters that are not those of a module."""


class Model(FlaxPreTrainedModel):
    """Base of all models. `dtype` is that of the computation; parameters are float32 until they are cast."""

    module_class: ClassVar[type[nn.Module]]
    table_head: ClassVar[Head]
    dtype: Any = jnp.float32

    def __init__(
        self,
        config: PreTrainedConfig,
        input_shape: tuple[int, ...] = (1, 1),
        seed: int = 0,
        dtype: Any = jnp.float32,
        _do_init: bool = True,
        **kwargs: Any,
    ) -> None:
        """With `_do_init=False` it holds no parameters: make them with `init_weights`, pass them as `params`."""
        if not isinstance(config, self.config_class):
            raise ConfigError(
                f"{type(self).__name__} needs a {self.config_class.__name__}, but was given a {type(config).__name__}."
            )
        config.check_buildable()
        _check_options(type(self).__name__, input_shape, seed, dtype)
        _check_known(self.module_class, kwargs)
        self._config = config
        self._module = self.module_class(config=config, dtype=dtype, **kwargs)
        self.key = jax.random.PRNGKey(seed)
        self.dtype = dtype
        self.input_shape = input_shape
        self._is_initialized = _do_init
        init = partial(self.init_weights, input_shape=input_shape)
        params = init(self.key) if _do_init else jax.eval_shape(init, self.key)
        self._params_shape_tree = jax.eval_shape(lambda: params) if _do_init else params
        self._required_params = set(flatten_dict(params))
        if _do_init:
            self.params = params

    @property
    def config(self) -> PreTrainedConfig:
        return self._config

    @property
    def module(self) -> nn.Module:
        return self._module

    @property
    def required_params(self) -> set[tuple[str, ...]]:
        """The path of every parameter."""
        return self._required_params

    @property
    def params_shape_tree(self) -> Params:
        """Shapes and dtypes in place of the parameters."""
        return self._params_shape_tree

    @property
    def params(self) -> Params:
        self._check_initialized()
        return self._params

    @params.setter
    def params(self, params: Params) -> None:
        self._check_initialized()
        plain = unfreeze(params)
        raise_all(OptionError, _misfits(plain, self.params_shape_tree), "params")
        self._params = plain

    def _check_initialized(self) -> None:
        if not self._is_initialized:
            raise OptionError(
                "`params` must be kept outside of a model made with `_do_init=False`: make them with `init_weights` "
                "and pass them to each call as `params`."
            )

    def init_weights(self, rng: Array, input_shape: tuple[int, ...] = (1, 1), params: Params | None = None) -> Params:
        """Random parameters; where `params` are given, only what they lack is random."""
        shapes = jax.eval_shape(lambda: self._first_inputs(input_shape))
        drawn = self.module.lazy_init({"params": rng}, *shapes)["params"]  # draws only: a pass would be compiled first
        if params is None:
            return unfreeze(drawn)
        return unflatten_dict({**flatten_dict(unfreeze(drawn)), **flatten_dict(unfreeze(params))})

    def _first_inputs(self, input_shape: tuple[int, ...]) -> tuple[Array | None, ...]:
        """The least that touches every parameter."""
        raise NotImplementedError

    def enable_gradient_checkpointing(self) -> None:
        """Keep only what enters each layer, and compute the rest again in the backward pass."""
        self._module = self.module.clone(gradient_checkpointing=True)

    @classmethod
    def can_generate(cls) -> bool:
        """Whether it writes."""
        return cls.table_head in ("conditional_generation", "causal_lm")

    def prepare_inputs_for_generation(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """For models that write."""
        raise NotImplementedError(f"{type(self).__name__} does not generate. Use the class for conditional generation.")

    def _apply(
        self,
        method: str | Callable[..., Any],
        *arguments: Any,
        params: Params | None = None,
        dropout_rng: Array | None = None,
        **named: Any,
    ) -> Any:
        """A method of the module, with these parameters or its own."""
        variables = {"params": self.params if params is None else params}
        rngs = {} if dropout_rng is None else {"dropout": dropout_rng}
        try:
            return self.module.apply(variables, *arguments, method=method, rngs=rngs, **named)
        except UNFIT as error:
            raise OptionError(
                f"`params` must be a tree like `params_shape_tree`, but is not: {str(error).partition(' (https')[0]}"
            ) from error

    def _recorded(self, attentions: bool | None, hidden_states: bool | None, train: bool, rng: Any) -> dict[str, Any]:
        """What stacks are told besides their inputs: as the call says, else as the configuration says."""
        inputs.check_dropout(train, rng, self.config)
        return {
            "output_attentions": self.config.output_attentions if attentions is None else attentions,
            "output_hidden_states": self.config.output_hidden_states if hidden_states is None else hidden_states,
            "deterministic": not train,
        }


def _is_floating(dtype: Any) -> bool:
    try:
        return bool(jnp.issubdtype(jnp.dtype(dtype), jnp.floating))
    except (TypeError, ValueError):
        return False


def _check_options(model: str, input_shape: Any, seed: Any, dtype: Any) -> None:
    """Raises: OptionError with all of the constructor's options that cannot be."""
    faults = []
    sizes = input_shape if isinstance(input_shape, tuple | list) else ()
    if len(sizes) != 2 or not all(isinstance(size, int | np.integer) and size > 0 for size in sizes):
        faults.append(f"`input_shape` must be (rows, tokens), such as (1, 1), but is {input_shape!r:.80}.")
    is_number = isinstance(seed, int | np.integer | np.ndarray | Array) and np.ndim(seed) == 0
    if not is_number or not jnp.issubdtype(jnp.result_type(seed), jnp.integer):
        faults.append(f"`seed` must be a whole number, such as 0, but is {seed!r:.80}.")
    if not _is_floating(dtype):
        faults.append(f"`dtype` must be a type of floating-point numbers, but is {dtype!s:.80}.")
    raise_all(OptionError, faults, model)


def _check_known(module_class: type[nn.Module], others: dict[str, Any]) -> None:
    known = set(module_class.__dataclass_fields__) - {"config", "dtype", "parent", "name"}
    faults = [f"`{name}` is no argument of this model. Set it in the configuration." for name in set(others) - known]
    raise_all(ArgumentError, faults, "__init__")


def _misfits(params: Any, shapes: Params) -> list[str]:
    """What a tree lacks, has too much, or has in another shape."""
    if not isinstance(params, dict):
        return [f"`params` must be a nested dict like `params_shape_tree`, but is {type(params).__name__}."]
    given = {"/".join(map(str, path)): jnp.shape(leaf) for path, leaf in flatten_dict(params).items()}
    wanted = {"/".join(path): leaf.shape for path, leaf in flatten_dict(shapes).items()}
    faults = [f"`{name}` is missing." for name in sorted(wanted.keys() - given.keys())]
    faults += [f"`{name}` is no parameter of this model." for name in sorted(given.keys() - wanted.keys())]
    shared = sorted(given.keys() & wanted.keys())
    return faults + [
        f"`{name}` must have shape {wanted[name]}, but has {given[name]}."
        for name in shared
        if given[name] != wanted[name]
    ]
