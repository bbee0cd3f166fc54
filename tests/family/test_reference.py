import numpy as np
import pytest

from bartleby.errors import LengthError, VocabularyError
from bartleby.family import reference
from bartleby.family.config import PreTrainedConfig
from tests.parity.random_models import MODEL_TYPES, POSITIONS, VOCABULARY, random_batch, random_config, random_weights

Drawn = tuple[PreTrainedConfig, reference.Weights, np.random.Generator]


@pytest.fixture(params=MODEL_TYPES)
def drawn(request: pytest.FixtureRequest) -> Drawn:
    random = np.random.default_rng(7)
    config = random_config(random, request.param)
    return config, random_weights(random, config), random


def test_what_comes_later_never_changes_what_came_before(drawn: Drawn) -> None:
    config, weights, random = drawn
    ids, mask = random_batch(random)
    states = reference.encode(weights, config, ids, mask)
    target = random.integers(4, VOCABULARY, size=(3, 6))
    whole = reference.decode(weights, config, target, states, mask)
    start = reference.decode(weights, config, target[:, :4], states, mask)
    np.testing.assert_allclose(whole[:, :4], start, atol=1e-5)


def test_pads_on_the_right_change_nothing(drawn: Drawn) -> None:
    config, weights, random = drawn
    ids, mask = random_batch(random, longest=6)
    padded = np.concatenate([ids, random.integers(4, VOCABULARY, size=(3, 4))], axis=1)
    longer_mask = np.concatenate([mask, np.zeros((3, 4), dtype=mask.dtype)], axis=1)
    target = random.integers(4, VOCABULARY, size=(3, 5))
    short = reference.decode(weights, config, target, reference.encode(weights, config, ids, mask), mask)
    states = reference.encode(weights, config, padded, longer_mask)
    np.testing.assert_allclose(reference.decode(weights, config, target, states, longer_mask), short, atol=1e-5)


def test_a_source_of_pads_alone_gives_numbers_all_the_same(drawn: Drawn) -> None:
    config, weights, random = drawn
    ids, mask = random_batch(random)
    assert np.isfinite(reference.encode(weights, config, ids, np.zeros_like(mask))).all()


def test_arithmetic_follows_the_weights(drawn: Drawn) -> None:
    config, weights, random = drawn
    ids, mask = random_batch(random)
    wide = {name: array.astype(np.float64) for name, array in weights.items()}
    narrow_states, wide_states = (reference.encode(w, config, ids, mask) for w in (weights, wide))
    assert (narrow_states.dtype, wide_states.dtype) == (np.float32, np.float64)
    np.testing.assert_allclose(narrow_states, wide_states, atol=2e-5)


def test_the_source_matters_to_the_target(drawn: Drawn) -> None:
    config, weights, random = drawn
    ids, mask = random_batch(random)
    target = random.integers(4, VOCABULARY, size=(3, 5))
    states = reference.encode(weights, config, ids, mask)
    assert np.abs(reference.decode(weights, config, target, states, mask) - reference.decode(
        weights, config, target, states[::-1], mask[::-1])).max() > 1e-2  # fmt: skip


def test_ids_outside_the_table_are_refused(drawn: Drawn) -> None:
    config, weights, _ = drawn
    with pytest.raises(VocabularyError, match=f"between 0 and {VOCABULARY - 1}.*between 3 and {VOCABULARY}"):
        reference.encode(weights, config, np.array([[3, VOCABULARY]]))


def test_one_token_more_than_positions_is_refused_with_the_remedy(drawn: Drawn) -> None:
    config, weights, _ = drawn
    reference.encode(weights, config, np.full((1, POSITIONS), 5))
    with pytest.raises(
        LengthError, match=f"{POSITIONS + 1} tokens, but this model has {POSITIONS} positions.*Truncate"
    ):
        reference.encode(weights, config, np.full((1, POSITIONS + 1), 5))
