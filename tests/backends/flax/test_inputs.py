from typing import Any

import numpy as np
import pytest

from bartleby.errors import ArgumentError, ConfigError, LengthError, OptionError, ShapeError, VocabularyError
from bartleby.family import masks
from tests.parity.random_models import POSITIONS, VOCABULARY, small_bart

pytest.importorskip("flax", reason='the Flax wing is not installed: pip install "bartleby[flax]"')

import jax
import jax.numpy as jnp

from bartleby.backends.flax import inputs
from bartleby.backends.flax.outputs import FlaxBaseModelOutput

CONFIG = small_bart()
STATES = jnp.ones((1, 2, 16))


@pytest.mark.parametrize("given", [[[0, 5, 2]], np.array([[0, 5, 2]]), jnp.array([[0, 5, 2]])])
def test_ids_may_be_lists_or_arrays_of_any_library(given: Any) -> None:
    ids = inputs.token_ids("input_ids", given, CONFIG)
    assert ids.dtype == jnp.int32
    assert ids.tolist() == [[0, 5, 2]]


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ([5, 6], ShapeError, r"`input_ids` must have 2 axes \(batch, length\), but has shape \(2,\)"),
        (np.zeros((2, 0), int), ShapeError, "at least one token"),
        ({"input_ids": [[0, 5]]}, ArgumentError, r"but is a dict. Pass what it holds with `\*\*`"),
        ("a text", VocabularyError, "`input_ids` must hold ids, not text. Encode it with the tokenizer"),
        (["a text", "another"], VocabularyError, "must hold ids, not text"),
        ([[5.0]], VocabularyError, "whole numbers, but is float64"),
        ([[VOCABULARY]], VocabularyError, f"between 0 and {VOCABULARY - 1}"),
        ([[-1]], VocabularyError, "between -1 and -1"),
        ([[2**40]], VocabularyError, f"between {2**40}"),
        ([[5] * (POSITIONS + 1)], LengthError, f"{POSITIONS + 1} tokens, but this model has {POSITIONS} positions"),
    ],
)
def test_ids_the_model_cannot_read_are_refused(given: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        inputs.token_ids("input_ids", given, CONFIG)


class Reader:
    @inputs.explained
    def read(self, input_ids: Any, attention_mask: Any = None) -> Any:
        return input_ids, attention_mask


def test_a_call_says_what_it_lacks_and_what_was_meant() -> None:
    assert Reader().read(1, attention_mask=2) == Reader().read(input_ids=1, attention_mask=2) == (1, 2)
    with pytest.raises(ArgumentError, match=r"has 3 faults(.|\n)*`input_ids` must be given(.|\n)*Did you mean `atten"):
        Reader().read(atention_mask=2, labels=3)  # type: ignore[call-arg]
    with pytest.raises(ArgumentError, match=r"`labels` is no argument of this model\. Compute the loss from `logits`"):
        Reader().read(1, labels=3)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"`past` is no argument of this model\.$"):
        Reader().read(1, past=3)  # type: ignore[call-arg]


def test_inside_a_traced_function_shapes_are_still_looked_at() -> None:
    read = jax.jit(lambda ids: inputs.token_ids("input_ids", ids, CONFIG))
    assert read(jnp.full((1, 2), VOCABULARY)).tolist() == [[VOCABULARY, VOCABULARY]]
    with pytest.raises(LengthError):
        read(jnp.zeros((1, POSITIONS + 1), jnp.int32))


def test_a_mask_covers_what_it_is_of() -> None:
    assert inputs.mask("attention_mask", None, 2, 3) is None
    mask = inputs.mask("attention_mask", np.array([[True, False]]), 1, 5, 2)
    assert mask is not None
    assert mask.tolist() == [[1, 0]]
    with pytest.raises(ShapeError, match=r"`attention_mask` must have shape \(1, 3\), but has \(1, 2\)"):
        inputs.mask("attention_mask", np.ones((1, 2)), 1, 3)
    with pytest.raises(ShapeError, match=r"must have shape \(1, 5\) or \(1, 2\), but has \(1, 2, 2\)"):
        inputs.mask("attention_mask", np.ones((1, 2, 2)), 1, 5, 2)


def test_positions_are_those_there_are() -> None:
    ids = jnp.zeros((2, 3), jnp.int32)
    for given in (np.arange(3), np.zeros((1, 3), int), np.zeros((2, 3), int)):
        assert inputs.positions("position_ids", given, ids, CONFIG) is not None
    with pytest.raises(ShapeError, match=r"must have shape \(2, 3\), but has \(3, 2\)"):
        inputs.positions("position_ids", np.zeros((3, 2), int), ids, CONFIG)
    with pytest.raises(LengthError, match=f"beyond the last position, {POSITIONS - 1}, but holds {POSITIONS}"):
        inputs.positions("position_ids", np.full((2, 3), POSITIONS), ids, CONFIG)
    with pytest.raises(LengthError, match="must not be negative, but holds -1"):
        inputs.positions("position_ids", np.full((2, 3), -1), ids, CONFIG)


@pytest.mark.parametrize(
    "given",
    [FlaxBaseModelOutput(STATES), (STATES,), [STATES, None], {"last_hidden_state": STATES}, (np.ones(STATES.shape),)],
)
def test_encoder_outputs_come_in_many_forms(given: Any) -> None:
    np.testing.assert_array_equal(inputs.encoder_states(given), STATES)


@pytest.mark.parametrize("given", [None, (), {}, STATES, (STATES[0],), FlaxBaseModelOutput()])
def test_what_holds_no_states_is_refused(given: Any) -> None:
    with pytest.raises(ShapeError, match="`encoder_outputs` must be what `encode` gave"):
        inputs.encoder_states(given)


def test_every_source_has_the_same_number_of_rows() -> None:
    inputs.check_rows(6, 3)
    with pytest.raises(ShapeError, match="has 5 for 3"):
        inputs.check_rows(5, 3)


def test_chance_needs_a_key_only_where_there_is_chance() -> None:
    inputs.check_dropout(True, None, small_bart(dropout=0.0))
    inputs.check_dropout(False, None, small_bart(dropout=0.1))
    for name in ("dropout", "attention_dropout", "classifier_dropout", "decoder_layerdrop"):
        with pytest.raises(OptionError, match="`dropout_rng` must be given with `train=True`"):
            inputs.check_dropout(True, None, small_bart(**{"dropout": 0.0, name: 0.1}))


def test_targets_move_right_as_the_definition_says() -> None:
    labels = np.array([[5, 6, -100], [7, -100, -100]])
    shifted = inputs.shift_tokens_right(labels, 1, 2)
    np.testing.assert_array_equal(shifted, masks.shift_right(labels, CONFIG))
    with pytest.raises(ConfigError, match="the config lacks one"):
        inputs.shift_tokens_right(labels, None, 2)
