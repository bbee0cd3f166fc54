from typing import Any

import numpy as np
import pytest

from bartleby.errors import ConfigError, OptionError
from tests.parity.random_models import random_batch, seeded

pytest.importorskip("tensorflow", reason='the TensorFlow wing is not installed: pip install "bartleby[tensorflow]"')

from tests.backends.keras.reference_models import known

IDS, _ = random_batch(seeded("keras resizing"), rows=2, longest=5)


@pytest.mark.parametrize("tied", [True, False])
def test_rows_that_stay_keep_their_numbers(tied: bool) -> None:
    model = known(tie_word_embeddings=tied).model
    before, count = model(IDS).logits.numpy(), len(model.weights)
    table = model.resize_token_embeddings(60)
    assert table is model.get_input_embeddings()
    assert table.embeddings.shape == (60, 16)
    np.testing.assert_allclose(table.embeddings[55], table.embeddings[:50].numpy().mean(0), atol=1e-6)
    np.testing.assert_array_equal(model(IDS).logits[..., :50], before)
    assert model(np.array([[59]])).logits.shape == (1, 1, 60)
    assert model.config.vocab_size == model.model.config.vocab_size == 60
    assert {name: each.shape for name, each in type(model)(model.config).variables_by_name().items()} == {
        name: each.shape for name, each in model.variables_by_name().items()
    }
    assert len(model.weights) == count
    model.resize_token_embeddings(50)
    np.testing.assert_array_equal(model(IDS).logits, before)


def test_without_a_number_nothing_changes() -> None:
    model = known().model
    weights = model.weights
    assert model.resize_token_embeddings() is model.resize_token_embeddings(50) is model.get_input_embeddings()
    assert [id(each) for each in model.weights] == [id(each) for each in weights]


def test_a_bare_model_can_grow_too() -> None:
    model = known(head="none").model
    model.resize_token_embeddings(52)
    assert model.encoder.embed_tokens.input_dim == 52


@pytest.mark.parametrize(
    ("rows", "error", "told"),
    [
        (0, OptionError, "at least 1, but is 0"),
        (True, OptionError, "but is True"),
        (2, ConfigError, "A vocabulary of 2"),
    ],
)
def test_sizes_that_cannot_be_are_refused(rows: Any, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        known().model.resize_token_embeddings(rows)


def test_a_model_trains_on_after_compiling_again() -> None:
    model = known().model
    for size in (50, 53):
        model.resize_token_embeddings(size)
        model.compile("sgd", run_eagerly=size == 53)
        assert np.isfinite(model.fit({"input_ids": IDS, "labels": IDS}, verbose=0).history["loss"]).all()
