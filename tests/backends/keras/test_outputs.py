import copy
import json
import pickle
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from bartleby.errors import OptionError
from tests.parity.random_models import small_bart

pytest.importorskip("tensorflow", reason='the TensorFlow wing is not installed: pip install "bartleby[tensorflow]"')

import keras
import tensorflow as tf

from bartleby.backends.keras import outputs
from bartleby.backends.keras.outputs import TFBaseModelOutput, TFSeq2SeqLMOutput, as_asked, asked, rest_of

STATES = tf.ones((2, 3))
OUTPUT = TFSeq2SeqLMOutput(logits=STATES, past_key_values=(STATES, STATES))


def test_fields_are_the_published_ones_in_their_order(shared: Path) -> None:
    published = json.loads((shared / "api" / "transformers-4.37.2.json").read_text(encoding="utf-8"))["outputs"]
    here = [value for name, value in vars(outputs).items() if name.startswith("TF")]
    for cls in here:
        names = [field.name for field in fields(cls)]
        assert [name for name in names if name in published[cls.__name__]] == published[cls.__name__]
    assert len(here) == 7


def test_a_field_is_read_by_name_by_key_and_by_place() -> None:
    assert OUTPUT.logits is OUTPUT["logits"] is OUTPUT[0]
    assert OUTPUT[1:] == (OUTPUT.past_key_values,)
    assert OUTPUT.loss is None
    assert list(OUTPUT) == ["logits", "past_key_values"]
    assert len(OUTPUT.to_tuple()) == 2


def test_fields_can_be_set_but_not_taken_away() -> None:
    output = TFBaseModelOutput(STATES)
    output.hidden_states = (STATES,)
    output["last_hidden_state"] = 2 * STATES
    assert float(output.last_hidden_state[0, 0]) == 2
    for refused in (
        lambda: output.pop("x"),
        output.update,
        lambda: output.setdefault("x"),
        lambda: output.__delitem__(0),
    ):
        with pytest.raises(OptionError, match="its fields stay"):
            refused()


def test_tensorflow_takes_an_output_apart_and_puts_it_together() -> None:
    doubled = tf.nest.map_structure(lambda each: 2 * each, OUTPUT)
    assert type(doubled) is TFSeq2SeqLMOutput
    assert doubled.loss is None
    graph = tf.function(lambda output: TFSeq2SeqLMOutput(output.logits[None], output.logits, output.past_key_values))
    found = graph(OUTPUT)
    assert (type(found), list(found)) == (TFSeq2SeqLMOutput, ["loss", "logits", "past_key_values"])


def test_keras_takes_an_output_apart_and_puts_it_together() -> None:
    assert len(keras.tree.flatten(OUTPUT)) == 3
    doubled = keras.tree.map_structure(lambda each: 2 * each, OUTPUT)
    assert type(doubled) is TFSeq2SeqLMOutput
    np.testing.assert_array_equal(doubled.past_key_values[1], 2 * STATES)


def test_copies_are_equal() -> None:
    output = TFBaseModelOutput(np.ones(2))
    for copied in (pickle.loads(pickle.dumps(output)), copy.deepcopy(output)):
        assert type(copied) is TFBaseModelOutput
        np.testing.assert_array_equal(copied.last_hidden_state, np.ones(2))


def test_the_call_wins_over_the_config() -> None:
    config = small_bart(output_attentions=True)
    assert asked(config, None, None) == (True, False)
    assert asked(config, False, True) == (False, True)
    assert as_asked(OUTPUT, config, None) is OUTPUT
    assert as_asked(OUTPUT, config, False) == OUTPUT.to_tuple()
    assert list(rest_of(TFBaseModelOutput(STATES, (STATES,)))) == ["hidden_states"]
