"""The ways a model may be called: by position, by name, or with a list, a tuple or a dict of inputs first."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

import keras
import tensorflow as tf
from keras import ops

from bartleby.backends.keras.portable import IS_TENSORFLOW, dtype_of, is_whole, rank_of
from bartleby.errors import ArgumentError, ShapeError, VocabularyError, raise_all

Call = TypeVar("Call", bound=Callable[..., Any])

ALIASES = {"inputs": "input_ids", "past": "past_key_values", "decoder_cached_states": "past_key_values"}
"""Older names -> those of today."""

SWITCHES = ("use_cache", "output_attentions", "output_hidden_states", "return_dict", "training")
"""Arguments that are no tensors."""


BUNDLES = ("encoder_outputs", "past_key_values", "cache")
"""Arguments that hold several tensors."""

PASSED_ON = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
"""Kinds of arguments that have no name of their own."""

IDS = ("input_ids", "decoder_input_ids")
"""Arguments that hold token ids, at least one in each row."""

PLAIN = ("start", "position_ids", "decoder_position_ids")
"""Arguments that may be a number as well as a tensor: a graph is smaller for the number."""


class Called(keras.layers.Layer):
    """A layer that can be called in all these ways; Keras itself wants tensors first."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return super().__call__(**named_inputs(argument_names(type(self)), args, kwargs))


def argument_names(model: Any) -> tuple[str, ...]:
    """Those of a class's `call`, in order; one that passes on `*args` or `**kwargs` has those of its base too."""
    return _argument_names(model)


@functools.cache
def _argument_names(model: type) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for owner in (each for each in model.__mro__ if "call" in vars(each)):
        every = list(inspect.signature(owner.call).parameters.values())[1:]  # type: ignore[attr-defined]
        own = [each.name for each in every if each.kind not in PASSED_ON]
        names.update(dict.fromkeys(own))
        if len(own) == len(every):
            break
    return tuple(names)


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
            known = _today(name)
            if known not in names:
                faults.append(_unknown(name, names))
            elif inputs.get(known) is not None and value is not None:
                faults.append(f"`{known}` is given twice.")
            else:
                inputs[known] = value if value is not None else inputs.get(known)
    faults += [_no_tensor(name, value) for name, value in inputs.items() if _is_bundle(name, value)]
    raise_all(ArgumentError, faults, "call")
    return inputs


def _named_first(first: Any, names: Sequence[str], faults: list[str]) -> dict[str, Any]:
    """What the first argument holds: the first input, or several of them."""
    if isinstance(first, Mapping):
        faults += [_unknown(name, names) for name in first if _today(name) not in names]
        return {_today(name): value for name, value in first.items()}
    if isinstance(first, tuple | list):
        if len(first) > len(names):
            faults.append(f"There are {len(first)} inputs in the list, but only {len(names)} arguments.")
        return {_own_name(value, name, names): value for name, value in zip(names, first, strict=False)}
    return {} if first is None else {names[0]: first}


def _today(name: str) -> str:
    return ALIASES.get(name, name)


def _own_name(value: Any, name: str, names: Sequence[str]) -> str:
    """An input of a functional model that is named after an argument is that argument, wherever it stands."""
    own = str(value.name) if isinstance(value, keras.KerasTensor) else name
    return own if own in names else name


def _unknown(name: str, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    return f"`{name}` is no argument of this model." + (f" Did you mean `{near[0]}`?" if near else "")


def _is_bundle(name: str, value: Any) -> bool:
    """Whether several things stand where one tensor belongs."""
    return name not in BUNDLES and isinstance(value, tuple | list | Mapping)


def _no_tensor(name: str, value: Any) -> str:
    return f"`{name}` must be a tensor or an array, but is a {type(value).__name__}. Make it one with tf.constant."


def _tensors(name: str, value: Any) -> Any:
    """Arrays as tensors; 64-bit ids as 32-bit ones, which every device can look up."""
    if value is None or name in (*BUNDLES, *SWITCHES, *PLAIN):
        return value
    try:
        # TensorFlow's own refuses ragged tensors, which that of Keras lets through.
        tensor = tf.convert_to_tensor(value) if IS_TENSORFLOW else ops.convert_to_tensor(value)
    except (TypeError, ValueError) as error:
        raise ArgumentError(_no_tensor(name, value)) from error
    if name in IDS:
        _check_ids(name, tensor)
    return ops.cast(tensor, "int32") if dtype_of(tensor) == "int64" else tensor


def _check_ids(name: str, ids: Any) -> None:
    if not is_whole(ids):
        raise VocabularyError(f"`{name}` must hold whole numbers, but is {dtype_of(ids)}. Use the tokenizer's ids.")
    if rank_of(ids) is not None and (rank_of(ids) != 2 or 0 in ids.shape):
        raise ShapeError(
            f"`{name}` must have 2 axes (batch, length), neither of them empty, but has shape {tuple(ids.shape)}."
        )
