import os
import subprocess
import sys

import numpy as np
import pytest

from bartleby.errors import OptionError
from bartleby.family import reference
from tests.parity.random_models import MODEL_TYPES, seeded

pytest.importorskip("tensorflow", reason='the TensorFlow wing is not installed: pip install "bartleby[tensorflow]"')

import tensorflow as tf
from keras import ops

from bartleby.backends.keras import portable
from tests.backends.keras.reference_models import Known, known

IDS = seeded("keras on its backends").integers(4, 50, (2, 6))
IDS[:, -1] = 2  # eos
MASK = np.array([[1, 1, 1, 1, 0, 1], [1] * 6])
TARGET = IDS[:, ::-1].copy()


def test_a_pass_runs_on_jax_and_the_rest_says_what_it_needs() -> None:
    pytest.importorskip("jax", reason="JAX is not installed")
    program = f"from {__name__} import check_on; check_on('jax')"
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True, timeout=300)


def check_on(backend: str) -> None:
    """What must hold on another backend of Keras than TensorFlow, in a process of its own."""
    assert backend == portable.BACKEND
    for model_type in MODEL_TYPES:
        _equals(known(model_type).model(IDS, MASK, TARGET).logits, _scores(known(model_type)))
        made = known(model_type, "causal_lm")
        _equals(made.model(TARGET, MASK).logits, _alone(made))
    _check_cache(known())
    _check_readers()
    _check_refusals(known())


def _equals(found: object, wanted: object) -> None:
    np.testing.assert_allclose(ops.convert_to_numpy(found), wanted, atol=1e-5)


def _scores(made: Known) -> object:
    states = reference.encode(made.weights, made.config, IDS, MASK)
    return reference.lm_logits(made.weights, reference.decode(made.weights, made.config, TARGET, states, MASK))


def _alone(made: Known) -> object:
    decoded = reference.decode(made.weights, made.config, TARGET, decoder_attention_mask=MASK)
    return reference.lm_logits(made.weights, decoded)


def _check_cache(made: Known) -> None:
    wanted, states = _scores(made), made.model.encode_sources(IDS, MASK)
    cache = made.model.start_cache(states, 2, TARGET.shape[1])
    for place in range(TARGET.shape[1]):
        scores, cache = made.model.step(TARGET[:, place : place + 1], place, cache, MASK, None)
        _equals(scores, wanted[:, place])
    past = made.model(IDS, MASK, TARGET[:, :3]).past_key_values
    _equals(made.model(IDS, MASK, TARGET[:, 3:], past_key_values=past).logits, wanted[:, 3:])


def _check_readers() -> None:
    made = known("bart", "sequence_classification")
    _equals(made.model(IDS, MASK).logits, reference.classify(made.weights, made.config, IDS, MASK))
    made = known("bart", "question_answering")
    output = made.model(IDS, MASK)
    for found, wanted in zip(output.to_tuple()[:2], reference.spans(made.weights, made.config, IDS, MASK), strict=True):
        _equals(found, wanted)


def _check_refusals(made: Known) -> None:
    for refused in (
        lambda: made.model.generate(IDS),
        lambda: made.model(IDS, labels=TARGET),
        lambda: made.model.compile("adam"),
        lambda: made.model.predict(IDS),
        lambda: made.model.export("nowhere"),
    ):
        with pytest.raises(OptionError, match="KERAS_BACKEND=tensorflow"):
            refused()
    with pytest.raises(ValueError, match="Token ids must lie between"):
        made.model(IDS + 1000)


def test_on_tensorflow_nothing_is_refused() -> None:
    portable.require_tensorflow("A pass")


def test_a_backend_that_cannot_hold_a_model_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portable, "BACKEND", "torch")
    monkeypatch.setattr(portable, "IS_TENSORFLOW", False)
    with pytest.raises(OptionError, match="KERAS_BACKEND=tensorflow"):
        known()


def test_numbers_can_be_looked_at_outside_of_graphs() -> None:
    assert portable.is_concrete(tf.constant(1))
    seen = []
    tf.function(lambda each: seen.append(portable.is_concrete(each)))(tf.constant(1))
    assert seen == [False]


def test_sizes_that_nobody_knows_may_be_any() -> None:
    assert portable.may_have_shape(tf.ones((2, 3)), (2, None))
    assert not portable.may_have_shape(tf.ones((2, 3)), (2, 4))
    assert not portable.may_have_shape(tf.ones((2, 3)), (2, 3, 1))
    seen = []

    def look(each: tf.Tensor) -> None:
        seen.append((portable.rank_of(each), portable.may_have_shape(each, (1,))))

    for sizes in (None, (None, 2)):
        tf.function(look).get_concrete_function(tf.TensorSpec(sizes))
    assert seen == [(None, True), (2, False)]


def test_the_transposed_product() -> None:
    left, right = np.ones((2, 3, 4)), np.arange(40.0).reshape(2, 5, 4)
    np.testing.assert_allclose(portable.times_transposed(left, right), left @ right.transpose(0, 2, 1))
