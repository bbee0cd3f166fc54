from typing import Any

import numpy as np
import pytest

from bartleby.errors import ArgumentError, ShapeError, VocabularyError
from bartleby.tokenization.encoding import BatchEncoding
from tests.parity.random_models import random_batch, seeded

pytest.importorskip("tensorflow", reason='the TensorFlow wing is not installed: pip install "bartleby[tensorflow]"')

import keras
import tensorflow as tf

from bartleby.backends.keras.inputs import argument_names, named_inputs
from tests.backends.keras.reference_models import known

IDS, MASK = random_batch(seeded("keras inputs"), rows=2, longest=5)
NAMED = {"input_ids": IDS, "attention_mask": MASK}


@pytest.fixture(scope="module")
def model() -> Any:
    return known().model


@pytest.mark.parametrize(
    ("positional", "named"),
    [
        ((IDS, MASK), {}),
        ((IDS,), {"attention_mask": MASK}),
        (([IDS, MASK],), {}),
        (((IDS, MASK),), {}),
        ((NAMED,), {}),
        (({"input_ids": IDS},), {"attention_mask": MASK}),
        ((BatchEncoding(NAMED),), {}),
        ((), {"inputs": IDS, "attention_mask": MASK}),
        ((), {**NAMED, "training": False}),
        ((tf.constant(IDS), tf.constant(MASK, tf.bool)), {}),
        ((IDS.astype(np.int32), MASK.astype(np.float32)), {}),
        ((IDS, MASK, None, None, None, None, None, None, None, None, None, None, True, False, False, True), {}),
    ],
)
def test_all_ways_to_call_are_one(model: Any, positional: tuple[Any, ...], named: dict[str, Any]) -> None:
    wanted = model(**NAMED).logits
    np.testing.assert_allclose(model(*positional, **named).logits, wanted, atol=1e-6)
    np.testing.assert_allclose(model.call(*positional, **named).logits, wanted, atol=1e-6)


@pytest.mark.parametrize(
    ("positional", "named", "told"),
    [
        ((IDS,), {"atention_mask": MASK}, "`atention_mask` is no argument .* Did you mean `attention_mask`"),
        ((IDS,), {"input_ids": IDS}, "`input_ids` is given twice"),
        ((NAMED, MASK), {}, "`attention_mask` is given twice"),
        (({**NAMED, "token_type_ids": IDS},), {}, "`token_type_ids` is no argument"),
        (([[1, 2]],), {}, "`input_ids` must be a tensor or an array, but is a list"),
        ((), {"input_ids": IDS, "attention_mask": [[1]]}, "`attention_mask` must be a tensor"),
        ((IDS, *[None] * 18), {}, "19 arguments by position, but only 18"),
        (([IDS] * 19,), {}, "19 inputs in the list"),
    ],
)
def test_what_has_no_place_is_refused(model: Any, positional: Any, named: dict[str, Any], told: str) -> None:
    with pytest.raises(ArgumentError, match=told):
        model(*positional, **named)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ArgumentError, match=r"(?s)has 2 faults.*`a` is no.*`b` is no"):
        named_inputs(("input_ids",), (), {"a": 1, "b": 2})


def test_wide_ids_become_narrow_ones(model: Any) -> None:
    """So that one traced graph serves both, and devices without 64-bit look-ups."""
    seen = {}
    model.get_encoder().embed_tokens.call, kept = (
        lambda ids: seen.update(dtype=ids.dtype) or kept(ids),
        (model.get_encoder().embed_tokens.call),
    )
    try:
        model(IDS)
    finally:
        model.get_encoder().embed_tokens.call = kept
    assert seen["dtype"] == tf.int32


def test_a_functional_model_can_stand_on_one(model: Any) -> None:
    ids = keras.Input((None,), dtype="int32", name="input_ids")
    mask = keras.Input((None,), dtype="int32", name="attention_mask")
    for symbolic in ([ids, mask], {"input_ids": ids, "attention_mask": mask}, [mask, ids]):
        built = keras.Model([ids, mask], model(symbolic).logits)
        np.testing.assert_allclose(built([IDS, MASK]), model(IDS, MASK).logits, atol=1e-6)
    by_name = keras.Model([ids, mask], keras.layers.Dense(2)(model(ids, attention_mask=mask)[0][:, 0]))
    assert by_name.predict([IDS, MASK], verbose=0).shape == (2, 2)


@pytest.mark.parametrize(
    ("given", "error", "told"),
    [
        (np.ones((1, 2)), VocabularyError, "`input_ids` must hold whole numbers, but is float32"),
        (np.zeros((2, 0), int), ShapeError, r"neither of them empty, but has shape \(2, 0\)"),
        (np.array([5, 2]), ShapeError, r"must have 2 axes .* \(2,\)"),
        (tf.ragged.constant([[5, 6], [7]]), ArgumentError, "but is a RaggedTensor"),
    ],
)
def test_ids_that_are_none_are_refused(model: Any, given: Any, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        model(given)


def test_a_call_that_passes_arguments_on_takes_those_of_its_base(model: Any) -> None:
    class All(type(model)):
        def call(self, *args: Any, **kwargs: Any) -> Any:
            return super().call(*args, **kwargs)

    class First(type(model)):
        def call(self, input_ids: Any = None, **kwargs: Any) -> Any:
            return super().call(input_ids, **kwargs)

    for cls in (All, First):
        assert argument_names(cls) == argument_names(type(model))
        own = cls(model.config)
        own.set_weights(model.get_weights())
        np.testing.assert_allclose(own(NAMED).logits, model(NAMED).logits, atol=1e-6)
