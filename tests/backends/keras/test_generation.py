from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason='the TensorFlow wing is not installed: pip install "bartleby[tensorflow]"')

import tensorflow as tf

from bartleby.backends.keras.decoding import generation_outputs as outputs
from bartleby.backends.plain import PlainBackend
from bartleby.errors import LengthError, OptionError, ShapeError, VocabularyError
from bartleby.generation.config import GenerationConfig
from tests.backends.keras.decoding.weighted import model_of
from tests.parity.random_models import POSITIONS, random_weights, small_bart

PAD, EOS = 1, 2
SOURCES = np.array([[5, 6, 7, 8, 9, EOS], [10, EOS, PAD, PAD, PAD, PAD]])
RAGGED = [[5, 6, 7, 8, 9, EOS], [10, EOS]]
SHOWN = {
    "return_dict_in_generate": True,
    "output_scores": True,
    "output_attentions": True,
    "output_hidden_states": True,
}


@pytest.fixture(scope="module")
def weights() -> dict[str, np.ndarray]:
    return random_weights(np.random.default_rng(3), small_bart())


@pytest.fixture(scope="module")
def model(weights: dict) -> Any:
    model = model_of(weights, small_bart())
    model.generation_config = GenerationConfig(
        pad_token_id=PAD, eos_token_id=EOS, decoder_start_token_id=EOS, max_length=7
    )
    return model


@pytest.fixture(scope="module")
def beams(model: Any) -> Any:
    return model.generate(SOURCES, num_beams=3, num_return_sequences=2, no_repeat_ngram_size=2)


def rows_of(found: list, width: int) -> list[list[int]]:
    """Hypotheses as rows, padded as tensors are."""
    rows = [[EOS, *one.ids] for of_source in found for one in of_source]
    return [[*row, *[PAD] * (width - len(row))] for row in rows]


def test_beams_of_all_sources_are_those_of_the_definition(model: Any, beams: Any, weights: dict) -> None:
    options = GenerationConfig(**model.generation_config.to_diff_dict() | {"num_beams": 3, "num_return_sequences": 2})
    options.no_repeat_ngram_size = 2
    expected = PlainBackend(weights, small_bart(), options).generate(RAGGED, options)
    assert beams.numpy().tolist() == rows_of(expected, beams.shape[1])
    assert beams.dtype == tf.int32


def test_outputs_are_cut_to_the_longest_and_one_graph_serves_all_sizes(model: Any) -> None:
    model.generation_config.suppress_tokens = [token for token in range(50) if token not in (EOS, 9)]
    found = model.generate(SOURCES, bad_words_ids=[[9, 9, 9]])
    assert found.shape[1] == int((found != PAD).numpy().sum(axis=1).max()) < 7
    model.generation_config.suppress_tokens = None
    kept = len(model.programs.kept)
    one = model.generate(SOURCES[:1])
    assert model.generate(SOURCES[1:, :2]).shape[0] == one.shape[0] == 1
    assert len(model.programs.kept) == kept + 1


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_graph_of_the_callers_writes_the_same_to_the_greatest_length(model: Any, jit_compile: bool) -> None:
    given = {"num_beams": 3, "num_return_sequences": 2, "no_repeat_ngram_size": 2}
    spec = [tf.TensorSpec((2, 6) if jit_compile else (None, None), tf.int32)]
    graph = tf.function(lambda ids: model.generate(ids, **given), input_signature=spec, jit_compile=jit_compile)
    found = graph(tf.constant(SOURCES, tf.int32)).numpy()
    assert found.shape == (4, 7)
    eager = model.generate(SOURCES, **given).numpy()
    assert found[:, : eager.shape[1]].tolist() == eager.tolist()
    assert (found[:, eager.shape[1] :] == PAD).all()


def test_everything_that_is_asked_for_is_returned_step_by_step(model: Any, beams: Any) -> None:
    found = model.generate(SOURCES, num_beams=3, num_return_sequences=2, no_repeat_ngram_size=2, **SHOWN)
    assert type(found) is outputs.TFBeamSearchEncoderDecoderOutput
    assert found.sequences.numpy().tolist() == beams.numpy().tolist()
    steps = len(found.scores)
    assert [step.shape for step in found.scores] == [(6, 50)] * steps
    assert [step[0].shape for step in found.decoder_attentions] == [(6, 2, 1, keys) for keys in range(1, steps + 1)]
    assert {step[0].shape for step in map(tuple, found.cross_attentions)} == {(6, 2, 1, 6)}
    assert {(len(step), step[0].shape) for step in map(tuple, found.decoder_hidden_states)} == {(2, (6, 1, 16))}
    assert (len(found.encoder_hidden_states), found.encoder_attentions[0].shape) == (2, (2, 2, 6, 6))
    gained = model.compute_transition_scores(found.sequences, found.scores, found.beam_indices).numpy()
    lengths = (found.beam_indices.numpy() >= 0).sum(axis=1)
    assert gained.sum(axis=1) / lengths == pytest.approx(found.sequences_scores.numpy(), abs=1e-4)


def test_greedy_search_and_sampling_have_outputs_of_their_own(model: Any) -> None:
    found = model.generate(SOURCES, return_dict_in_generate=True, output_scores=True)
    assert type(found) is outputs.TFGreedySearchEncoderDecoderOutput
    assert found.sequences.numpy().tolist() == model.generate(SOURCES).numpy().tolist()
    likely = model.compute_transition_scores(found.sequences, found.scores, normalize_logits=True)
    assert likely.shape == (2, len(found.scores))
    assert (likely.numpy() <= 0).all()
    sampled = model.generate(SOURCES, return_dict_in_generate=True, do_sample=True, seed=[1, 2], top_k=0)
    assert type(sampled) is outputs.TFSampleEncoderDecoderOutput
    assert (sampled.scores, [*sampled]) == (None, ["sequences"])


def test_samples_depend_on_the_seed(model: Any) -> None:
    def sample(seed: Any = None) -> list:
        return model.generate(SOURCES, do_sample=True, top_k=0, max_length=6, seed=seed).numpy().tolist()

    assert sample([1, 2]) == sample((1, 2)) != sample([1, 3])
    tf.random.set_seed(0)
    first = sample()
    tf.random.set_seed(0)
    assert sample() == first
    with pytest.raises(OptionError, match="`seed` must be two whole numbers"):
        sample(7)


def test_a_processor_of_the_callers_sees_numbers_outside_of_graphs(model: Any) -> None:
    seen: list[int] = []

    def only(ids: Any, scores: Any, length: Any) -> Any:
        assert ids.shape == (2, 7)
        seen.append(int(length))
        token = 9 if length == 2 else 8
        return tf.where(tf.range(scores.shape[1]) == token, scores, -np.inf)

    found = model.generate(SOURCES, logits_processor=[only])
    assert found.numpy().tolist() == [[EOS, 8, 9, 8, 8, 8, 8]] * 2
    assert seen == [1, 2, 3, 4, 5, 6]
    with pytest.raises(OptionError, match="`logits_processor` must be a list of functions"):
        model.generate(SOURCES, logits_processor=7)


def test_prompts_may_be_padded_on_the_left_and_lack_the_start_token(model: Any) -> None:
    short = model.generate(SOURCES[:1], decoder_input_ids=np.array([[5, 6]]), max_new_tokens=3).numpy()
    assert short[0, :3].tolist() == [EOS, 5, 6]
    prompts, mask = np.array([[EOS, 5, 6], [PAD, EOS, 7]]), np.array([[1, 1, 1], [0, 1, 1]])
    found = model.generate(SOURCES, decoder_input_ids=prompts, decoder_attention_mask=mask, max_new_tokens=3).numpy()
    assert found[0, : short.shape[1]].tolist() == short[0].tolist()
    with pytest.raises(ShapeError, match="Pad prompts on the left"):
        model.generate(SOURCES, decoder_input_ids=prompts, decoder_attention_mask=mask[:, ::-1])


def test_from_nothing_it_writes_to_bos(model: Any) -> None:
    assert model.generate(bos_token_id=0).numpy().tolist() == model.generate(np.array([[0]])).numpy().tolist()


def test_states_and_vectors_may_stand_for_the_source(model: Any) -> None:
    mask, expected = (SOURCES != PAD).astype("int32"), model.generate(SOURCES).numpy().tolist()
    encoded = model.get_encoder()(SOURCES, attention_mask=mask)
    assert model.generate(encoder_outputs=encoded, attention_mask=mask).numpy().tolist() == expected
    vectors = tf.gather(tf.convert_to_tensor(model.get_input_embeddings().embeddings), SOURCES)
    assert model.generate(inputs_embeds=vectors, attention_mask=mask).numpy().tolist() == expected


def test_a_decoder_alone_goes_on_with_its_prompt(weights: dict) -> None:
    shared = {"model.decoder.embed_tokens.weight": weights["model.shared.weight"]}
    model = model_of(weights | shared, small_bart(), "ForCausalLM")
    options = GenerationConfig(max_new_tokens=4, pad_token_id=PAD, eos_token_id=-1)
    ids = [5, 6, 7]
    for _ in range(4):
        ids.append(int(tf.argmax(model(np.array([ids])).logits[0, -1])))
    assert model.generate(np.array([ids[:3]]), options).numpy()[0].tolist() == ids
    shown = model.generate(np.array([ids[:3]]), options, **SHOWN)
    assert type(shown) is outputs.TFGreedySearchDecoderOnlyOutput
    assert shown.sequences.numpy()[0].tolist() == ids
    assert shown.attentions[0][0].shape == (1, 2, 3, 3)


def test_what_cannot_be_is_refused_before_anything_runs(model: Any) -> None:
    with pytest.raises(OptionError, match="Did you mean `num_beams`"):
        model.generate(SOURCES, nun_beams=2)
    with pytest.raises(OptionError, match="`cross_attn_head_mask` must be None"):
        model.generate(SOURCES, cross_attn_head_mask=np.ones((1, 2)))
    with pytest.raises(OptionError, match="two names of one thing"):
        model.generate(SOURCES, input_ids=SOURCES)
    with pytest.raises(OptionError, match=r"outside of `tf\.function`"):
        tf.function(lambda: model.generate(SOURCES, **SHOWN), autograph=False)()  # which wraps errors
    with pytest.raises(VocabularyError):
        model.generate(SOURCES + 100)
    with pytest.raises(LengthError):
        model.generate(SOURCES, min_length=POSITIONS + 9, max_length=POSITIONS + 9)
    with pytest.raises(OptionError, match="`input_ids`, `inputs_embeds` or `encoder_outputs` must be given"):
        model.generate()
    ids, loose = tf.constant(SOURCES, tf.int32), tf.TensorSpec((None, None), tf.int32)
    with pytest.raises(ShapeError, match="length of the decoder's prompts must be known"):
        tf.function(lambda own: model.generate(ids, decoder_input_ids=own), [loose], autograph=False)(ids)
