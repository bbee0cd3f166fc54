"""What callers pass in, as arrays the modules can compute on; refused here where it can be looked at.

Inside `jit`, `grad` and `vmap` only shapes are known. There an id outside the table becomes NaN instead of an error.
"""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from bartleby.errors import (
    ArgumentError,
    ConfigError,
    LengthError,
    OptionError,
    ShapeError,
    VocabularyError,
    raise_all,
)
from bartleby.family.config import PreTrainedConfig
from bartleby.family.masks import IGNORED_LABEL
from bartleby.family.reference import check_ids, check_length

Call = TypeVar("Call", bound=Callable[..., Any])

OF_LOSS = " Compute the loss from `logits`, as with optax.softmax_cross_entropy_with_integer_labels(logits, labels)."

DROPOUTS = (
    "dropout",
    "attention_dropout",
    "activation_dropout",
    "classifier_dropout",
    "encoder_layerdrop",
    "decoder_layerdrop",
)


def explained(function: Call) -> Call:
    """Let a method say which arguments it lacks or does not know, and what may have been meant.

    Raises: ArgumentError, which is the TypeError that Python would raise, with all of them.
    """
    parameters = [*inspect.signature(function).parameters.values()][1:]
    names = [each.name for each in parameters]
    needed = [each.name for each in parameters if each.default is each.empty]

    @functools.wraps(function)
    def checked(self: Any, *args: Any, **kwargs: Any) -> Any:
        faults = [f"`{name}` must be given." for name in needed[len(args) :] if name not in kwargs]
        faults += [_unknown(name, names) for name in kwargs if name not in names]
        raise_all(ArgumentError, faults, function.__name__)
        return function(self, *args, **kwargs)

    return cast(Call, checked)


def _unknown(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    hint = OF_LOSS if name == "labels" else f" Did you mean `{near[0]}`?" if near else ""
    return f"`{name}` is no argument of this model.{hint}"


def token_ids(name: str, given: Any, config: PreTrainedConfig, start: Any = 0) -> Array:
    """Ids (b, t), which stand at `start` and behind it.

    Raises: ArgumentError, ShapeError, VocabularyError or LengthError if the model cannot read them.
    """
    if isinstance(given, Mapping):
        raise ArgumentError(f"`{name}` must be ids, but is a dict. Pass what it holds with `**`: model(**inputs).")
    value = given if _is_array(given) else np.asarray(given)
    if value.dtype.kind in "US":
        raise VocabularyError(f"`{name}` must hold ids, not text. Encode it with the tokenizer first.")
    if value.ndim != 2:
        raise ShapeError(f"`{name}` must have 2 axes (batch, length), but has shape {tuple(value.shape)}.")
    if not value.size:
        raise ShapeError(f"`{name}` must hold at least one token, but has shape {tuple(value.shape)}.")
    if not jnp.issubdtype(value.dtype, jnp.integer):
        raise VocabularyError(f"`{name}` must hold whole numbers, but is {value.dtype}. Use the tokenizer's ids.")
    check_length(value.shape[1] + (int(start) if is_known(start) else 0), config)
    if is_known(value):
        check_ids(np.asarray(value), config.vocab_size)
    return jnp.asarray(value, jnp.int32)


def mask(name: str, given: Any, rows: int, *lengths: int) -> Array | None:
    """A mask (rows, one of `lengths`), 1 where a token counts.

    Raises: ShapeError if it has another shape.
    """
    if given is None:
        return None
    value = given if _is_array(given) else np.asarray(given)
    if value.ndim != 2 or value.shape[0] != rows or value.shape[1] not in lengths:
        wanted = " or ".join(str((rows, length)) for length in dict.fromkeys(lengths))
        raise ShapeError(f"`{name}` must have shape {wanted}, but has {tuple(value.shape)}.")
    return jnp.asarray(value, jnp.int32)


def positions(name: str, given: Any, ids: Array, config: PreTrainedConfig) -> Array | None:
    """Where the tokens stand, (t) or (b, t).

    Raises: ShapeError or LengthError if there are no such positions.
    """
    if given is None:
        return None
    value = given if _is_array(given) else np.asarray(given)
    rows, length = ids.shape
    if tuple(value.shape) not in ((length,), (1, length), (rows, length)):
        raise ShapeError(f"`{name}` must have shape {tuple(ids.shape)}, but has {tuple(value.shape)}.")
    if is_known(value) and value.size:
        numbers = np.asarray(value)
        last = config.max_position_embeddings - 1
        if int(numbers.max()) > last:
            raise LengthError(f"`{name}` must not be beyond the last position, {last}, but holds {numbers.max()}.")
        if int(numbers.min()) < 0:
            raise LengthError(f"`{name}` must not be negative, but holds {numbers.min()}.")
    return jnp.asarray(value, jnp.int32)


def encoder_states(given: Any) -> Array:
    """The states (b, s, d) in what a caller passes as `encoder_outputs`: an output, or a tuple that begins with them.

    Raises: ShapeError if it is nothing of the kind.
    """
    states = None
    if isinstance(given, Mapping):
        states = given.get("last_hidden_state")
    elif isinstance(given, tuple | list) and given:
        states = given[0]
    else:
        states = getattr(given, "last_hidden_state", None)
    if states is None or np.ndim(states) != 3:
        raise ShapeError(
            "`encoder_outputs` must be what `encode` gave, or a tuple that begins with its states (b, s, d), but is "
            f"{type(given).__name__}."
        )
    return jnp.asarray(states)


def check_rows(rows: int, sources: int) -> None:
    """Raises: ShapeError unless every source has the same number of rows to write."""
    if sources == 0 or rows % sources:
        raise ShapeError(
            f"`decoder_input_ids` must have as many rows as there are sources, or as many for each, but has {rows} "
            f"for {sources}."
        )


def check_dropout(train: bool, dropout_rng: Any, config: PreTrainedConfig) -> None:
    """Raises: OptionError if a pass needs chance and has none."""
    if train and dropout_rng is None and any(getattr(config, name, 0.0) > 0 for name in DROPOUTS):
        raise OptionError(
            "`dropout_rng` must be given with `train=True`: dropout needs a key, such as jax.random.PRNGKey(0)."
        )


def shift_tokens_right(input_ids: Any, pad_token_id: int | None, decoder_start_token_id: int | None) -> Array:
    """Teacher-forcing input: ids moved one place right, behind the start token; (b, t) -> (b, t), -100 becomes pad."""
    if pad_token_id is None or decoder_start_token_id is None:
        raise ConfigError(
            "Moving labels right needs `pad_token_id` and `decoder_start_token_id`; the config lacks one."
        )
    ids = jnp.asarray(input_ids)
    start = jnp.full_like(ids[:, :1], decoder_start_token_id)
    shifted = jnp.concatenate([start, ids[:, :-1]], axis=1)
    return jnp.where(shifted == IGNORED_LABEL, pad_token_id, shifted)


def is_known(value: Any) -> bool:
    """Whether the numbers can be looked at: not while JAX traces, nor where other hosts hold some of them."""
    return not isinstance(value, jax.core.Tracer) and getattr(value, "is_fully_addressable", True)


def _is_array(value: Any) -> bool:
    return isinstance(value, jax.Array | np.ndarray)
