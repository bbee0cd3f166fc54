import pickle
from typing import Any

import numpy as np
import pytest

pytest.importorskip("flax", reason='the Flax wing is not installed: pip install "bartleby[flax]"')

import jax
import jax.numpy as jnp

from bartleby.backends.flax.decoding.generation_outputs import (
    FlaxBeamSearchOutput,
    FlaxGreedySearchOutput,
    FlaxSampleOutput,
)
from bartleby.backends.plain import PlainBackend
from bartleby.errors import LengthError, OptionError, ShapeError, VocabularyError
from bartleby.generation.config import GenerationConfig
from tests.backends.flax.decoding.weighted import model_of
from tests.parity.random_models import POSITIONS, random_weights, small_bart

PAD, EOS = 1, 2
SOURCES = np.array([[5, 6, 7, 8, 9, EOS], [10, EOS, PAD, PAD, PAD, PAD]])
BEAMS: dict[str, Any] = {"num_beams": 2, "max_new_tokens": 5}


@pytest.fixture(scope="module")
def weights() -> dict[str, np.ndarray]:
    return random_weights(np.random.default_rng(3), small_bart())


@pytest.fixture(scope="module")
def model(weights: dict) -> Any:
    model = model_of(weights, small_bart())
    model.generation_config = GenerationConfig(
        pad_token_id=PAD, eos_token_id=EOS, decoder_start_token_id=EOS, max_length=6
    )
    return model


@pytest.fixture(scope="module")
def greedy(model: Any) -> Any:
    return model.generate(SOURCES)


def test_outputs_are_padded_to_the_greatest_length_there_can_be(model: Any, greedy: Any, weights: dict) -> None:
    assert isinstance(greedy, FlaxGreedySearchOutput)
    plain = PlainBackend(weights, small_bart(), model.generation_config)
    expected = plain.generate([[*SOURCES[0]], [10, EOS]], plain.generation_config)
    for row, (one,) in zip(greedy.sequences, expected, strict=True):
        assert row.tolist() == [EOS, *one.ids, *[PAD] * (5 - len(one.ids))]


def test_beams_have_scores_and_pads_of_the_source_are_no_text(model: Any) -> None:
    found = model.generate(SOURCES, num_return_sequences=2, **BEAMS)
    assert isinstance(found, FlaxBeamSearchOutput)
    assert (found.sequences.shape, found.scores.shape) == ((4, 6), (4,))
    mask = (SOURCES != PAD).astype(int)
    assert jnp.array_equal(model.generate(SOURCES, attention_mask=mask, num_return_sequences=2, **BEAMS)[0], found[0])


def test_the_same_options_and_shapes_are_compiled_once(model: Any, greedy: Any) -> None:
    kept = len(model.programs.kept)
    assert jnp.array_equal(model.generate(SOURCES, max_length=6).sequences, greedy.sequences)
    assert len(model.programs.kept) == kept


def test_it_works_inside_a_callers_jit_and_with_parameters_of_his_own(model: Any, greedy: Any) -> None:
    compiled = jax.jit(lambda ids, params: model.generate(ids, params=params, max_length=6).sequences)
    assert jnp.array_equal(compiled(SOURCES, model.params), greedy.sequences)
    nothing = jax.tree.map(jnp.zeros_like, model.params)
    assert not jnp.array_equal(compiled(SOURCES, nothing), greedy.sequences)


def test_steps_can_be_taken_one_by_one(model: Any, greedy: Any) -> None:
    seen: list[int] = []

    def watch(ids: Any, scores: Any, length: Any) -> Any:
        assert ids.shape == (2, 6)
        seen.append(int(length))  # a number, not what stands for one
        return scores

    assert jnp.array_equal(model.generate(SOURCES, trace=False, logits_processor=[watch])[0], greedy.sequences)
    assert seen == [*range(1, 1 + len(seen))]


def test_a_processor_of_the_callers_is_compiled_with_the_rest(model: Any) -> None:
    def only_nine(ids: Any, scores: Any, length: Any) -> Any:
        return jnp.where(jnp.arange(scores.shape[1]) == jnp.where(length == 2, 9, 8), scores, -jnp.inf)

    found = model.generate(SOURCES, logits_processor=[only_nine]).sequences
    assert found.tolist() == [[EOS, 8, 9, 8, 8, 8]] * 2
    with pytest.raises(OptionError, match="`logits_processor` must be a list of functions"):
        model.generate(SOURCES, logits_processor=7)


def test_samples_depend_on_the_key(model: Any) -> None:
    options = {"do_sample": True, "num_return_sequences": 3, "top_k": 0}
    first = model.generate(SOURCES, prng_key=jax.random.PRNGKey(1), **options)
    assert isinstance(first, FlaxSampleOutput)
    assert first.sequences.shape == (6, 6)
    assert jnp.array_equal(model.generate(SOURCES, prng_key=jax.random.PRNGKey(1), **options)[0], first[0])
    assert not jnp.array_equal(model.generate(SOURCES, prng_key=jax.random.PRNGKey(2), **options)[0], first[0])


def test_prompts_may_be_padded_on_the_left_and_lack_the_start_token(model: Any) -> None:
    short = model.generate(SOURCES[:1], decoder_input_ids=np.array([[5, 6]]), max_new_tokens=3).sequences
    assert short[0, :3].tolist() == [EOS, 5, 6]
    prompts, mask = np.array([[EOS, 5, 6], [PAD, EOS, 7]]), np.array([[1, 1, 1], [0, 1, 1]])
    found = model.generate(SOURCES, decoder_input_ids=prompts, decoder_attention_mask=mask, max_new_tokens=3).sequences
    assert jnp.array_equal(found[:1], short)
    with pytest.raises(ShapeError, match="Pad prompts on the left"):
        model.generate(SOURCES, decoder_input_ids=prompts, decoder_attention_mask=mask[:, ::-1])


def test_states_that_were_encoded_before_are_not_encoded_again(model: Any, greedy: Any) -> None:
    mask = (SOURCES != PAD).astype(int)
    encoded = model.encode(SOURCES, mask)
    found = model.generate(None, encoder_outputs=encoded, attention_mask=mask)
    assert jnp.array_equal(found.sequences, greedy.sequences)


def test_a_decoder_alone_goes_on_with_its_prompt(weights: dict) -> None:
    decoder = {name: array for name, array in weights.items() if name.startswith("model.decoder")}
    shared = {"model.decoder.embed_tokens.weight": weights["model.shared.weight"]}
    model = model_of(decoder | shared, small_bart(), "ForCausalLM")
    options = GenerationConfig(max_new_tokens=4, pad_token_id=PAD, eos_token_id=-1)
    found = model.generate(np.array([[5, 6, 7]]), options)
    ids = [5, 6, 7]
    for _ in range(4):
        logits = model(np.array([ids])).logits[0, -1]
        ids.append(int(logits.argmax()))
    assert found.sequences[0].tolist() == ids


def test_what_cannot_be_is_refused_before_anything_runs(model: Any) -> None:
    with pytest.raises(OptionError, match="Did you mean `num_beams`"):
        model.generate(SOURCES, nun_beams=2)
    with pytest.raises(OptionError, match="`output_scores` must be False"):
        model.generate(SOURCES, output_scores=True, return_dict_in_generate=True)
    with pytest.raises(VocabularyError):
        model.generate(SOURCES + 100)
    with pytest.raises(LengthError):
        model.generate(SOURCES, min_length=POSITIONS + 9, max_length=POSITIONS + 9)
    with pytest.raises(ShapeError, match="`input_ids` or `encoder_outputs` must be given"):
        model.generate(None)


def test_models_that_have_written_can_be_pickled(model: Any, greedy: Any) -> None:
    again = pickle.loads(pickle.dumps(model))
    assert jnp.array_equal(again.generate(SOURCES, max_length=6).sequences, greedy.sequences)
    assert model.programs.kept


def test_chance_needs_a_key(model: Any) -> None:
    with pytest.raises(OptionError, match=r"`prng_key` must be a key, such as .*, but is 3"):
        model.generate(SOURCES, do_sample=True, prng_key=3)
