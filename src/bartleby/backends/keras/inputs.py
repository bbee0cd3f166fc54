"""The ways a model may be called: by position, by name, or with a list, a tuple or a dict of inputs first."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

import keras
import tensorflow as tf

from bartleby.errors import ArgumentError, ShapeError, raise_all

Call = TypeVar("Call", bound=Callable[..., Any])

ALIASES = {"inputs": "input_ids", "past": "past_key_values", "decoder_cached_states": "past_key_values"}
"""Older names -> those of today."""

SWITCHES = ("use_cache", "output_attentions", "output_hidden_states", "return_dict", "training")
"""Arguments that are no tensors."""


class Called(keras.layers.Layer):
    """A layer that can be called in all these ways; Keras itself wants tensors first."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        names = tuple(inspect.signature(self.call).parameters)
        return super().__call__(**named_inputs(names, args, kwargs))


def unpack_inputs(function: Call) -> Call:
    """Let `call` itself be called in all these ways, with NumPy arrays too: graphs and signatures call it directly."""
    names = tuple(inspect.signature(function).parameters)[1:]

    @tf.autograph.experimental.do_not_convert
    @functools.wraps(function)
    def unpacked(self: Any, *args: Any, **kwargs: Any) -> Any:
        named = named_inputs(names, args, kwargs)
        return function(self, **{name: _tensors(name, value) for name, value in named.items()})

    return cast(Call, unpacked)


def named_inputs(names: Sequence[str], args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of one call by name.

    Raises: ArgumentError, listing all that is unknown, given twice or too much.
    """
    first, *others = args if args else (None,)
    first_by_name = names[0] in kwargs and not args
    given = dict(kwargs)
    if first_by_name:
        first = given.pop(names[0])
    faults: list[str] = []
    inputs = _named_first(first, names, faults)
    if len(args) > len(names):
        faults.append(f"There are {len(args)} arguments by position, but only {len(names)} in all.")
    for source in (dict(zip(names[1:], others, strict=False)), given):
        for name, value in source.items():
            known = ALIASES.get(name, name)
            if known not in names:
                faults.append(_unknown(name, names))
            elif inputs.get(known) is not None and value is not None:
                faults.append(f"`{known}` is given twice.")
            else:
                inputs[known] = value if value is not None else inputs.get(known)
    raise_all(ArgumentError, faults, "call")
    return inputs


def _named_first(first: Any, names: Sequence[str], faults: list[str]) -> dict[str, Any]:
    """What the first argument holds: the first input, or several of them."""
    if isinstance(first, Mapping):
        faults += [_unknown(name, names) for name in first if ALIASES.get(name, name) not in names]
        return {ALIASES.get(name, name): value for name, value in first.items()}
    if isinstance(first, tuple | list):
        if len(first) > len(names):
            faults.append(f"There are {len(first)} inputs in the list, but only {len(names)} arguments.")
        return {_own_name(value, name, names): value for name, value in zip(names, first, strict=False)}
    return {} if first is None else {names[0]: first}


def _own_name(value: Any, name: str, names: Sequence[str]) -> str:
    """An input of a functional model that is named after an argument is that argument, wherever it stands."""
    own = value.name if isinstance(value, keras.KerasTensor) else None
    return own if own in names else name


def _unknown(name: str, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    return f"`{name}` is no argument of this model." + (f" Did you mean `{near[0]}`?" if near else "")


def _tensors(name: str, value: Any) -> Any:
    """Arrays as tensors; 64-bit ids as 32-bit ones, which every device can look up.

    Raises: ShapeError if it is neither.
    """
    if value is None or name in SWITCHES:
        return value
    if isinstance(value, tuple | list | Mapping):
        if name.endswith(("ids", "mask", "embeds", "labels", "positions")):
            raise ShapeError(f"`{name}` must be a tensor or an array, but is a {type(value).__name__}.")
        return value
    tensor = value if isinstance(value, int) and name.endswith("position_ids") else tf.convert_to_tensor(value)
    return tf.cast(tensor, tf.int32) if not isinstance(tensor, int) and tensor.dtype == tf.int64 else tensor
