import numpy as np
import pytest

pytest.importorskip("tensorflow", reason='the TensorFlow wing is not installed: pip install "bartleby[tensorflow]"')

import tensorflow as tf

from bartleby.backends.keras.decoding.arrays import StepByStep
from bartleby.backends.keras.decoding.inputs import Prepared
from bartleby.backends.keras.decoding.recording import RecordingReader, wants_more
from bartleby.backends.keras.decoding.task import search_of
from bartleby.generation.config import GenerationConfig
from tests.backends.keras.decoding.weighted import model_of
from tests.parity.random_models import random_weights, small_bart


def test_more_is_wanted_only_where_there_is_a_place_for_it() -> None:
    assert wants_more(GenerationConfig(return_dict_in_generate=True, output_scores=True))
    assert not wants_more(GenerationConfig(return_dict_in_generate=True))


def test_every_step_shows_what_a_pass_over_all_that_was_written_shows() -> None:
    model = model_of(random_weights(np.random.default_rng(0), small_bart()), small_bart())
    options = GenerationConfig(
        max_new_tokens=3,
        num_beams=2,
        eos_token_id=-1,
        pad_token_id=1,
        return_dict_in_generate=True,
        output_attentions=True,
        output_hidden_states=True,
        output_scores=True,
    )
    ids = tf.constant([[5, 6, 2], [7, 8, 2]])
    reader = RecordingReader(model, Prepared(tf.constant([[2, 9], [2, 9]]), None, ids, tf.ones_like(ids)), 4, options)
    written = reader.run(search_of(StepByStep(), reader, options))
    fields = reader.fields()
    assert {*fields} == {"scores", "decoder_attentions", "decoder_hidden_states", "cross_attentions"}
    assert [step[0].shape for step in fields["decoder_attentions"]] == [(4, 2, 2, 2), (4, 2, 1, 3), (4, 2, 1, 4)]
    row = written.trail[0, 0, 4]  # the row for which the best beam's last token was chosen
    shown = model(ids[:1], None, written.ids[0, :1, :4], output_attentions=True, output_hidden_states=True)
    for name in ("decoder_attentions", "decoder_hidden_states", "cross_attentions"):
        last = [layer[int(row)] for layer in fields[name][2]]
        whole = [layer[0, -1:] if name == "decoder_hidden_states" else layer[0, :, -1:] for layer in shown[name]]
        np.testing.assert_allclose(np.stack(last), np.stack(whole), atol=1e-4)
    likely = tf.nn.log_softmax(shown.logits[0, -1])
    np.testing.assert_allclose(fields["scores"][2][int(row)], likely, atol=1e-4)
