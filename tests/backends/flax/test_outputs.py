import json
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("flax", reason='the Flax wing is not installed: pip install "bartleby[flax]"')

import jax
import jax.numpy as jnp

from bartleby.backends.flax import outputs
from bartleby.backends.flax.outputs import FlaxBaseModelOutput, FlaxSeq2SeqLMOutput, ModelOutput, as_asked
from tests.parity.random_models import small_bart

STATES = jnp.ones((1, 2, 3))


def test_fields_are_the_published_ones_in_their_order(shared: Path) -> None:
    table = json.loads((shared / "api" / "transformers-4.37.2.json").read_text(encoding="utf-8"))["outputs"]
    ours = {name: each for name, each in vars(outputs).items() if name.startswith("Flax")}
    assert len(ours) == 7
    assert {name: [field.name for field in fields(each)] for name, each in ours.items()} == {
        name: table[name] for name in ours
    }


def test_it_reads_as_names_as_a_tuple_and_as_a_dict() -> None:
    output = FlaxBaseModelOutput(STATES, attentions=(STATES, STATES))
    assert output[0] is output["last_hidden_state"] is output.last_hidden_state
    assert [*output] == [*output.keys()] == ["last_hidden_state", "attentions"]
    assert len(output) == len(output.to_tuple()) == 2
    assert output.to_tuple()[1] is output[1] is output.attentions
    assert output[:1] == (STATES,)
    assert output.get("hidden_states") is None
    assert "hidden_states" not in output
    assert dict(output.items()).keys() == output.keys()
    with pytest.raises(KeyError):
        output["hidden_states"]
    with pytest.raises(IndexError):
        output[2]


def test_another_value_makes_another_output_but_an_item_may_be_put_in() -> None:
    output = FlaxSeq2SeqLMOutput(STATES)
    assert output.replace(past_key_values={}).past_key_values == {}
    assert output.past_key_values is None
    with pytest.raises(FrozenInstanceError):
        output.logits = STATES  # type: ignore[misc]
    output["past_key_values"] = {"model": 1}  # as scripts of release 4 do
    assert output.past_key_values == {"model": 1}
    with pytest.raises(KeyError, match="no field 'loss'"):
        output["loss"] = STATES


def test_transformations_let_it_through() -> None:
    output = FlaxBaseModelOutput(STATES, hidden_states=(STATES,))
    doubled = jax.jit(lambda given: jax.tree_util.tree_map(lambda leaf: 2 * leaf, given))(output)
    assert isinstance(doubled, FlaxBaseModelOutput)
    np.testing.assert_array_equal(doubled.hidden_states[0], 2 * STATES)
    assert doubled.attentions is None
    mapped = jax.vmap(lambda row: FlaxBaseModelOutput(row))(STATES)
    assert mapped.last_hidden_state.shape == STATES.shape
    taught = jax.grad(lambda given: (given.last_hidden_state**2).sum())(output)
    np.testing.assert_array_equal(taught.last_hidden_state, 2 * STATES)


def test_a_tuple_comes_where_the_call_or_else_the_configuration_asks_for_it() -> None:
    output = FlaxBaseModelOutput(STATES)
    assert isinstance(as_asked(output, small_bart(), None), ModelOutput)
    assert as_asked(output, small_bart(), False) == (STATES,)
    assert as_asked(output, small_bart(return_dict=False), None) == (STATES,)
    assert as_asked(output, small_bart(return_dict=False), True) is output
