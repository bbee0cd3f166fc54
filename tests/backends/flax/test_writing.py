from typing import Any

import numpy as np
import pytest

from bartleby.errors import LengthError
from bartleby.family import masks, reference
from tests.parity.random_models import MODEL_TYPES, POSITIONS, random_batch, seeded

pytest.importorskip("flax", reason='the Flax wing is not installed: pip install "bartleby[flax]"')

import jax
import jax.numpy as jnp

from tests.backends.flax.reference_models import Known, known

IDS, MASK = random_batch(seeded("flax writing"), rows=2, longest=6)


@pytest.fixture(scope="module")
def language_model() -> Known:
    return known("bart", "causal_lm")


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_steps_give_what_the_definition_gives_for_all_beams(model_type: str) -> None:
    made = known(model_type)
    target = masks.shift_right(IDS, made.config)
    states = reference.encode(made.weights, made.config, IDS, MASK)
    decoded = reference.decode(made.weights, made.config, target, states, MASK)
    expected = reference.lm_logits(made.weights, decoded).repeat(2, axis=0)
    rows = jnp.asarray(target).repeat(2, axis=0)
    cache = made.model.start_cache(made.params, made.model.encode_sources(made.params, IDS, MASK), 4, 8)
    step = jax.jit(made.model.step)
    for start in range(target.shape[1]):
        scores, cache = step(made.params, rows[:, start : start + 1], start, cache, MASK)
        assert scores.dtype == jnp.float32
        np.testing.assert_allclose(scores, expected[:, start], atol=2e-5)
        cache = made.model.reorder_cache(cache, jnp.array([1, 0, 3, 2]))  # the beams are alike


def test_a_prompt_is_read_at_once_and_its_pads_count_for_nothing() -> None:
    made = known()
    sources = made.model.encode_sources(made.params, IDS, MASK)
    empty = made.model.start_cache(made.params, sources, 2, 5)
    prompt = np.array([[2, 7, 8], [2, 7, 9]])
    seen = np.array([[1, 1, 1, 1, 1], [1, 0, 1, 1, 1]])
    scores, _ = made.model.step(made.params, prompt, 0, empty, MASK, seen)
    decoded = reference.decode(made.weights, made.config, prompt, np.asarray(sources), MASK, seen[:, :3])
    np.testing.assert_allclose(scores, reference.lm_logits(made.weights, decoded)[:, -1], atol=2e-5)


def test_moved_rows_go_on_as_what_they_became(language_model: Known) -> None:
    model, params = language_model.model, language_model.params
    assert model.encode_sources(params, IDS) is None
    cache = model.start_cache(params, None, 2, 8)
    _, cache = model.step(params, IDS[:, :3], 0, cache)
    moved, _ = model.step(params, IDS[:, 3:4], 3, model.reorder_cache(cache, jnp.array([1, 1])))
    sequence = np.concatenate([IDS[[1, 1], :3], IDS[:, 3:4]], axis=1)
    expected = reference.lm_logits(
        language_model.weights, reference.decode(language_model.weights, language_model.config, sequence)
    )
    np.testing.assert_allclose(moved, expected[:, -1], atol=2e-5)


def test_no_cache_is_longer_than_there_are_positions(language_model: Known) -> None:
    with pytest.raises(LengthError, match=f"{POSITIONS + 1} tokens"):
        language_model.model.start_cache(language_model.params, None, 2, POSITIONS + 1)


def test_the_published_preparation_leads_from_step_to_step() -> None:
    made = known()
    encoded = made.model.encode(IDS, MASK, params=made.params)
    kept = made.model.prepare_inputs_for_generation(jnp.asarray(IDS[:, :2]), 8, MASK, encoder_outputs=encoded)
    assert kept["decoder_attention_mask"].shape == (2, 8)
    assert kept["encoder_attention_mask"] is MASK
    ids = [IDS[:, :2], IDS[:, 2:3], IDS[:, 3:4]]
    for new in ids:
        output = made.model.decode(new, params=made.params, **kept)
        kept = made.model.update_inputs_for_generation(output, kept)
    whole = made.model.decode(IDS[:, :4], encoded, MASK, params=made.params)
    np.testing.assert_allclose(output.logits[:, -1], whole.logits[:, -1], atol=1e-5)
    assert kept["decoder_position_ids"].tolist() == [[4], [4]]


def test_pads_of_a_prompt_take_up_no_position() -> None:
    made = known()
    encoded = made.model.encode(IDS, MASK, params=made.params)
    mask = jnp.array([[0, 1, 1], [1, 1, 1]])
    kept = made.model.prepare_inputs_for_generation(
        jnp.asarray(IDS[:, :3]), 5, decoder_attention_mask=mask, encoder_outputs=encoded
    )
    assert kept["decoder_position_ids"].tolist() == [[0, 0, 1], [0, 1, 2]]
    assert kept["decoder_attention_mask"].tolist() == [[0, 1, 1, 1, 1], [1, 1, 1, 1, 1]]
    padded = made.model.decode(IDS[[0, 0], :3], params=made.params, **kept).logits
    alone = made.model.decode(IDS[[0, 0], 1:3], encoded, params=made.params).logits
    np.testing.assert_allclose(padded[0, -1], alone[0, -1], atol=1e-5)


def test_a_language_model_reads_on_where_it_stopped(language_model: Known) -> None:
    model, params = language_model.model, language_model.params
    whole = model(IDS, params=params).logits
    kept = model.prepare_inputs_for_generation(jnp.asarray(IDS[:, :4]), 8)
    first = model(IDS[:, :4], params=params, **kept)
    kept = model.update_inputs_for_generation(first, kept)
    second = model(IDS[:, 4:5], params=params, **kept)
    np.testing.assert_allclose(second.logits[:, 0], whole[:, 4], atol=1e-5)
    third = model(IDS[:, 5:], params=params, past_key_values=second.past_key_values)  # positions are counted on
    np.testing.assert_allclose(third.logits[:, 0], whole[:, 5], atol=1e-5)


def test_a_language_model_looks_at_states_it_is_given(language_model: Known) -> None:
    states: Any = np.ones((2, 3, 16), np.float32)
    mask = np.array([[1, 1, 0], [1, 0, 0]])
    decoded = reference.decode(language_model.weights, language_model.config, IDS, states, mask)
    output = language_model.model(IDS, None, None, states, mask, output_attentions=True, params=language_model.params)
    np.testing.assert_allclose(output.logits, reference.lm_logits(language_model.weights, decoded), atol=2e-5)
    assert output.cross_attentions[0].shape == (2, 2, 6, 3)


def test_a_language_model_is_built_on_a_copy_of_the_configuration(language_model: Known) -> None:
    assert language_model.model.config.is_decoder
    assert not language_model.model.config.is_encoder_decoder
    assert language_model.config.is_encoder_decoder
