from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason='the TensorFlow wing is not installed: pip install "bartleby[tensorflow]"')

from bartleby.backends import open_backend
from bartleby.backends.keras.backend import TensorFlowBackend
from bartleby.backends.plain import PlainBackend
from bartleby.errors import ConfigError, LengthError, OptionError, ShapeError, VocabularyError
from bartleby.generation.config import GenerationConfig
from tests.backends.keras.decoding.weighted import model_of
from tests.lab.small_models import save_model
from tests.parity.random_models import MODEL_TYPES, POSITIONS, VOCABULARY, random_config, random_weights

SOURCES = [[5, 6, 7, 8, 9, 2], [10, 2], [11, 12, 13, 2]]
OPTIONS: dict[str, Any] = {"max_new_tokens": 8, "eos_token_id": 2, "decoder_start_token_id": 2}


def both(model_type: str, seed: int = 0) -> tuple[TensorFlowBackend, PlainBackend]:
    """The same model behind both backends."""
    random = np.random.default_rng(seed)
    config = random_config(random, model_type)
    weights = random_weights(random, config)
    return TensorFlowBackend(model_of(weights, config)), PlainBackend(weights, config, GenerationConfig())


def assert_alike(found: list, expected: list) -> None:
    for mine, theirs in zip(found, expected, strict=True):
        assert [(one.ids, one.finish_reason) for one in mine] == [(one.ids, one.finish_reason) for one in theirs]
        assert [one.score for one in mine] == pytest.approx([one.score for one in theirs], abs=1e-4)


# Every test of writing compiles a search, which takes seconds: each search is tested on one kind of model.
@pytest.mark.parametrize(
    ("model_type", "more", "prompts"),
    [
        ("bart", {}, [[2, 7], [2], [2, 7]]),
        ("blenderbot", {"num_beams": 4, "num_return_sequences": 2, "no_repeat_ngram_size": 2}, None),
        ("blenderbot-small", {"do_sample": True, "num_return_sequences": 2, "top_k": 7}, None),
        ("bart", {"do_sample": True, "num_beams": 3}, None),
    ],
    ids=["greedy with prompts", "beams", "sampling", "beam sampling"],
)
def test_it_writes_what_the_plain_backend_writes(model_type: str, more: dict, prompts: list | None) -> None:
    ours, plain = both(model_type, 1)
    options = GenerationConfig(**OPTIONS | more)
    found = ours.generate(SOURCES, options, 5, decoder_input_ids=prompts)
    assert_alike(found, plain.generate(SOURCES, options, 5, decoder_input_ids=prompts))


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_it_scores_as_the_plain_backend_scores(model_type: str) -> None:
    ours, plain = both(model_type)
    targets = [[7, 8, 2], [9, 9, 9, 9, 2], [2]]
    for mine, theirs in zip(ours.score(SOURCES, targets), plain.score(SOURCES, targets), strict=True):
        assert mine == pytest.approx(theirs, abs=1e-4)


@pytest.mark.parametrize("head", ["sequence_classification", "question_answering"])
def test_it_judges_as_the_plain_backend_judges(tmp_path: Path, head: str) -> None:
    folder = save_model(tmp_path, head)
    ours, plain = open_backend(folder, "tensorflow"), open_backend(folder, "plain")
    assert ours.head == plain.head == head
    texts = [*SOURCES, [5, 6, 2, 2, 7, 2]]
    if head == "sequence_classification":
        for mine, theirs in zip(ours.classify(texts), plain.classify(texts), strict=True):
            assert mine == pytest.approx(theirs, abs=1e-5)
        assert ours.classify([]) == []
        with pytest.raises(ShapeError, match="index 0 has no eos"):
            ours.classify([[5, 6]])
    else:
        for mine, theirs in zip(ours.spans(texts), plain.spans(texts), strict=True):
            assert mine[0] == pytest.approx(theirs[0], abs=1e-5)
            assert mine[1] == pytest.approx(theirs[1], abs=1e-5)
        assert ours.spans([]) == []
    with pytest.raises(ConfigError, match="conditional_generation, but this one has"):
        ours.generate(SOURCES, GenerationConfig(**OPTIONS))


def test_what_cannot_be_read_or_written_is_refused_before_anything_runs() -> None:
    backend, options = both("bart")[0], GenerationConfig(**OPTIONS)
    with pytest.raises(VocabularyError):
        backend.generate([[VOCABULARY]], options)
    with pytest.raises(LengthError):
        backend.generate([[5] * (POSITIONS + 1)], options)
    with pytest.raises(OptionError, match="one token a step"):
        backend.generate(SOURCES, GenerationConfig(**OPTIONS, penalty_alpha=0.6, top_k=4))
    with pytest.raises(ShapeError, match="one target for each of 3 sources, but are 1"):
        backend.score(SOURCES, [[5]])
    assert backend.generate([], options) == backend.score([], []) == []
