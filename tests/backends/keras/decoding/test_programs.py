import copy
import pickle

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason='the TensorFlow wing is not installed: pip install "bartleby[tensorflow]"')

import tensorflow as tf

from bartleby.backends.keras.decoding.inputs import Prepared
from bartleby.backends.keras.decoding.programs import Programs
from bartleby.generation.config import GenerationConfig
from tests.backends.keras.decoding.weighted import model_of
from tests.parity.random_models import random_weights, small_bart

OPTIONS = {"eos_token_id": 2, "pad_token_id": 1, "decoder_start_token_id": 2}


def prepared(*shape: int) -> Prepared:
    ids = tf.fill(shape, 5)
    return Prepared(tf.fill((shape[0], 1), 2), None, ids, tf.ones_like(ids))


def test_one_graph_serves_every_size_and_follows_new_variables() -> None:
    model = model_of(random_weights(np.random.default_rng(0), small_bart()), small_bart())
    programs, options = Programs(model), GenerationConfig(max_length=4, **OPTIONS)
    first = programs.run(options, prepared(1, 3), None)
    assert programs.run(options, prepared(2, 5), None).ids.shape == (2, 1, 4)
    assert len(programs.kept) == 1
    options.max_length = 5
    assert programs.run(options, prepared(1, 3), None).ids.shape == (1, 1, 5)
    assert len(programs.kept) == 2
    options.max_length = 4
    model.set_bias({"final_logits_bias": np.eye(50, dtype=np.float32)[[9]] * 1e6})
    assert programs.run(options, prepared(1, 3), None).ids.numpy().tolist() == [[[2, 9, 9, 9]]]
    assert first.ids.numpy().tolist() != [[[2, 9, 9, 9]]]


class Model:
    """Something that has programs."""

    def __init__(self) -> None:
        self.programs = Programs(self)


def test_copies_of_a_model_have_programs_of_their_own() -> None:
    model = Model()
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert other.programs.model is other
        assert other.programs.kept == {}
