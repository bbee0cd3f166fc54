from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bartleby.backends import open_backend
from bartleby.backends.plain import PlainBackend, PlainDecoder, padded
from bartleby.checkpoints.folder import save_folder
from bartleby.errors import CheckpointError, ConfigError, LengthError, OptionError, ShapeError, VocabularyError
from bartleby.family import reference
from bartleby.family.config import BartConfig, BlenderbotConfig, BlenderbotSmallConfig, PreTrainedConfig
from bartleby.family.parameters import Head
from bartleby.generation.config import GenerationConfig
from bartleby.generation.search import generate
from tests.lab.small_models import save_model
from tests.parity.random_models import MODEL_TYPES, POSITIONS, VOCABULARY, random_config, random_weights, small_bart

SOURCES = [[5, 6, 7, 8, 9, 2], [10, 2], [11, 12, 13, 2]]
OPTIONS = {"max_new_tokens": 8, "eos_token_id": 2, "decoder_start_token_id": 2}


def backend_of(model_type: str, seed: int = 0) -> PlainBackend:
    random = np.random.default_rng(seed)
    config = random_config(random, model_type)
    return PlainBackend(random_weights(random, config), config, GenerationConfig(**OPTIONS))


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Saves a small BART checkpoint."""

    def save(generation_config: dict | None = None, drop: str | None = None) -> Path:
        backend = backend_of("bart")
        weights = {name: array for name, array in backend.weights.items() if name != drop}
        config = backend.config.to_dict() | {"num_beams": 3, "max_length": 9}
        save_folder(tmp_path / "bart", config=config, generation_config=generation_config, weights=weights)
        return tmp_path / "bart"

    return save


@settings(max_examples=20)
@given(
    st.sampled_from(MODEL_TYPES),
    st.integers(0, 99),
    st.fixed_dictionaries(
        {
            "num_beams": st.integers(1, 4),
            "no_repeat_ngram_size": st.integers(0, 3),
            "encoder_no_repeat_ngram_size": st.integers(0, 2),
        }
    ),
)
def test_padding_and_neighbours_change_nothing(model_type: str, seed: int, options: dict) -> None:
    backend, config = backend_of(model_type, seed), GenerationConfig(**OPTIONS | options)
    together = backend.generate(SOURCES, config)
    for source, expected in zip(SOURCES, together, strict=True):
        (alone,) = backend.generate([source], config)
        assert [one.ids for one in alone] == [one.ids for one in expected]
        over_padded = backend.generate([source, [4] * 20], config)[0]
        assert [one.ids for one in over_padded] == [one.ids for one in expected]


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_the_score_of_an_output_is_the_sum_of_its_tokens(model_type: str) -> None:
    backend = backend_of(model_type)
    backend.generation_config = GenerationConfig(**OPTIONS)
    start = backend.config.decoder_start_token_id
    greedy = backend.generate(SOURCES, GenerationConfig(**OPTIONS | {"decoder_start_token_id": start}))
    scores = backend.score(SOURCES, [hypotheses[0].ids for hypotheses in greedy])
    for (found,), tokens in zip(greedy, scores, strict=True):
        assert len(tokens) == len(found.ids)
        assert sum(tokens) == pytest.approx(found.score, rel=1e-4)


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_scores_of_all_first_tokens_add_up_to_one(model_type: str) -> None:
    backend = backend_of(model_type)
    scores = backend.score([SOURCES[0]] * VOCABULARY, [[token, 5] for token in range(VOCABULARY)])
    assert sum(np.exp(first) for first, _ in scores) == pytest.approx(1, abs=1e-4)


def test_scores_do_not_depend_on_what_else_is_scored() -> None:
    backend = backend_of("blenderbot")
    together = backend.score(SOURCES, [[7, 8, 2], [9, 9, 9, 9, 2], [2]])
    assert backend.score(SOURCES[:1], [[7, 8, 2]])[0] == pytest.approx(together[0], abs=1e-5)


def test_equal_sources_are_scored_as_by_themselves() -> None:
    backend, targets = backend_of("bart"), [[7, 8, 2], [9, 2], [6, 6, 6, 2]]
    together = backend.score([SOURCES[0], SOURCES[1], SOURCES[0]], targets)
    for source, target, found in zip([0, 1, 0], targets, together, strict=True):
        assert backend.score([SOURCES[source]], [target])[0] == pytest.approx(found, abs=1e-5)


def reader_of(head: Head, **fields: Any) -> PlainBackend:
    random, config = np.random.default_rng(3), small_bart(**fields)
    return PlainBackend(random_weights(random, config, head), config, GenerationConfig(), head)


def test_a_label_is_judged_by_its_text_alone() -> None:
    backend = reader_of("sequence_classification", num_labels=3)
    texts = [*SOURCES, [5, 6, 2, 2, 7, 2]]  # the last one a pair, with eos between
    found = backend.classify(texts)
    for text, scores in zip(texts, found, strict=True):
        expected = reference.classify(backend.weights, backend.config, np.array([text]))
        assert scores == pytest.approx(expected[0].tolist(), abs=1e-5)
    assert backend.classify([]) == []
    with pytest.raises(ShapeError, match=r"(?s)index 1 has no eos \(id 2\)"):
        backend.classify([[5, 2], [5, 6]])


def test_padding_is_no_end_even_where_eos_is_the_first_id() -> None:
    backend = reader_of("sequence_classification", eos_token_id=0, pad_token_id=1)
    short = [5, 6, 0]
    assert backend.classify([short, [5, 6, 7, 8, 0]])[0] == pytest.approx(backend.classify([short])[0], abs=1e-5)


def test_answers_are_looked_for_in_each_text_alone() -> None:
    backend = reader_of("question_answering")
    for text, (starts, ends) in zip(SOURCES, backend.spans(SOURCES), strict=True):
        expected = reference.spans(backend.weights, backend.config, np.array([text]))
        assert starts == pytest.approx(expected[0][0].tolist(), abs=1e-5)
        assert ends == pytest.approx(expected[1][0].tolist(), abs=1e-5)
    assert backend.spans([]) == []


def test_a_head_is_asked_for_what_it_is_there_for() -> None:
    writer, judge = backend_of("bart"), reader_of("sequence_classification")
    with pytest.raises(ConfigError, match=r"To label texts, .* sequence_classification, but this one has conditional"):
        writer.classify(SOURCES)
    with pytest.raises(ConfigError, match=r"To find answers, .* question_answering"):
        judge.spans(SOURCES)
    for call in (lambda: judge.generate(SOURCES, GenerationConfig(**OPTIONS)), lambda: judge.score(SOURCES, SOURCES)):
        with pytest.raises(ConfigError, match=r"To write, or score what others wrote, .* conditional_generation"):
            call()


@pytest.mark.parametrize("head", ["sequence_classification", "question_answering", "none"])
def test_a_checkpoint_is_opened_with_its_head(tmp_path: Path, head: Head) -> None:
    opened = open_backend(save_model(tmp_path, head, leave_out=()), "plain")
    assert opened.head == ("conditional_generation" if head == "none" else head)


def test_the_decoder_writes_what_it_is_told_for_the_source_it_is_told() -> None:
    backend = backend_of("bart")
    decoder = PlainDecoder(backend.weights, backend.config, SOURCES)
    decoder.start(np.array([0, 2]))
    decoder.step(np.array([[2, 5], [2, 6]]))
    decoder.reorder(np.array([1, 1]))
    both = decoder.step(np.array([[7], [8]]))
    decoder.start(np.array([2]))
    assert both[0] == pytest.approx(decoder.step(np.array([[2, 6, 7]]))[0], abs=1e-5)
    assert both[1] != pytest.approx(both[0], abs=1e-2)


def test_padding_comes_last_and_is_masked() -> None:
    ids, mask = padded([[5, 6], [7]])
    assert ids.tolist()[1][0] == 7
    assert mask.tolist() == [[1, 1], [1, 0]]


def test_what_cannot_be_read_or_written_is_refused_before_anything_runs() -> None:
    backend, options = backend_of("bart"), GenerationConfig(**OPTIONS)
    with pytest.raises(VocabularyError):
        backend.generate([[VOCABULARY]], options)
    with pytest.raises(LengthError):
        backend.generate([[5] * (POSITIONS + 1)], options)
    with pytest.raises(LengthError):
        backend.generate(SOURCES, GenerationConfig(**OPTIONS | {"max_new_tokens": POSITIONS + 1}))
    with pytest.raises(OptionError, match="contrastive"):
        backend.generate(SOURCES, GenerationConfig(**OPTIONS, penalty_alpha=0.6))
    with pytest.raises(OptionError, match="`forced_bos_token_id`"):
        backend.generate(SOURCES, GenerationConfig(**OPTIONS, forced_bos_token_id=VOCABULARY))
    with pytest.raises(ShapeError, match="one target for each of 3 sources, but are 1"):
        backend.score(SOURCES, [[5]])
    assert backend.generate([], options) == backend.score([], []) == []


def test_a_prompt_begins_the_output_of_its_source() -> None:
    backend, options = backend_of("blenderbot"), GenerationConfig(**OPTIONS)
    prompts = [[2, 7], [2], [2, 8, 9]]
    found = backend.generate(SOURCES, options, decoder_input_ids=prompts)
    decoder = PlainDecoder(backend.weights, backend.config, SOURCES)
    assert found == generate(decoder, options, SOURCES, prompts=prompts)
    assert found != backend.generate(SOURCES, options)


def test_a_checkpoint_folder_is_decoded_as_it_says(folder: Callable[..., Path]) -> None:
    backend = open_backend(folder({"num_beams": 2, **OPTIONS}), "plain")
    assert (backend.name, backend.generation_config.num_beams) == ("plain", 2)
    expected = backend_of("bart").generate(SOURCES, backend.generation_config)
    assert backend.generate(SOURCES, backend.generation_config) == expected


def test_without_a_generation_config_the_model_config_says_how_to_decode(folder: Callable[..., Path]) -> None:
    backend = PlainBackend.open(folder())
    assert (backend.generation_config.num_beams, backend.generation_config.max_length) == (3, 9)
    assert backend.generation_config.forced_eos_token_id == 2


def test_a_missing_weight_is_told_by_its_name(folder: Callable[..., Path]) -> None:
    with pytest.raises(CheckpointError, match=r"model\.decoder\.layers\.0\.fc1\.bias"):
        PlainBackend.open(folder(drop="model.decoder.layers.0.fc1.bias"))


@pytest.mark.parametrize("config_class", [BartConfig, BlenderbotConfig, BlenderbotSmallConfig])
def test_published_decoding_fits_the_published_positions(config_class: type[PreTrainedConfig]) -> None:
    config = config_class()
    options = GenerationConfig.from_model_config(config)
    options.validate("plain", config.vocab_size)
    assert options.max_length <= config.max_position_embeddings
