from itertools import product

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason='the TensorFlow wing is not installed: pip install "bartleby[tensorflow]"')

import tensorflow as tf

from bartleby.backends.keras.decoding.generation_outputs import CLASSES


@pytest.mark.parametrize("kind", CLASSES.values())
def test_tensorflow_takes_outputs_apart_and_puts_them_together(kind: type) -> None:
    output = kind(sequences=np.array([[1, 2]]))
    again = tf.nest.map_structure(lambda ids: ids + 1, output)
    assert (type(again), again.sequences.tolist(), again[0].tolist()) == (kind, [[2, 3]], [[2, 3]])


def test_every_way_to_decode_has_an_output_named_after_it() -> None:
    assert {*CLASSES} == {*product([False, True], repeat=3)}
    for (is_pair, has_beams, is_sampled), kind in CLASSES.items():
        search = "Sample" if is_sampled else "Search"
        name = f"Beam{search}" if has_beams else "Sample" if is_sampled else "GreedySearch"
        assert kind.__name__ == f"TF{name}{'EncoderDecoder' if is_pair else 'DecoderOnly'}Output"
