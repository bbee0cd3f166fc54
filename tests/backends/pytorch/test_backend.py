from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bartleby.backends import open_backend
from bartleby.backends.plain import PlainBackend
from bartleby.errors import ConfigError, LengthError, OptionError, ShapeError, VocabularyError
from bartleby.generation.config import GenerationConfig
from tests.lab.small_models import save_model
from tests.parity.random_models import MODEL_TYPES, POSITIONS, VOCABULARY, random_config, random_weights

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch.auto import AutoModelForSeq2SeqLM  # noqa: E402  after the skip
from bartleby.backends.pytorch.backend import PyTorchBackend, padded  # noqa: E402

SOURCES = [[5, 6, 7, 8, 9, 2], [10, 2], [11, 12, 13, 2]]
OPTIONS = {"max_new_tokens": 8, "eos_token_id": 2, "decoder_start_token_id": 2}


def both(model_type: str, seed: int = 0) -> tuple[PyTorchBackend, PlainBackend]:
    """The same model in float64 behind both backends."""
    random = np.random.default_rng(seed)
    config = random_config(random, model_type)
    weights = {name: array.astype(np.float64) for name, array in random_weights(random, config).items()}
    model = AutoModelForSeq2SeqLM.from_config(config).double()
    model.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    return PyTorchBackend(model), PlainBackend(weights, config, GenerationConfig())


@settings(max_examples=20)
@given(
    st.sampled_from(MODEL_TYPES),
    st.integers(0, 99),
    st.sampled_from([{}, {"num_beams": 3}, {"num_beams": 4, "num_return_sequences": 2, "no_repeat_ngram_size": 2}]),
    st.sampled_from([None, [[2, 7], [2], [2, 8, 9]]]),
)
def test_it_writes_what_the_plain_backend_writes(model_type: str, seed: int, more: dict, prompts: list | None) -> None:
    ours, plain = both(model_type, seed)
    options = GenerationConfig(**OPTIONS | more)
    found = ours.generate(SOURCES, options, decoder_input_ids=prompts)
    expected = plain.generate(SOURCES, options, decoder_input_ids=prompts)
    for mine, theirs in zip(found, expected, strict=True):
        assert [(one.ids, one.finish_reason) for one in mine] == [(one.ids, one.finish_reason) for one in theirs]
        assert [one.score for one in mine] == pytest.approx([one.score for one in theirs], abs=1e-4)


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_it_scores_as_the_plain_backend_scores(model_type: str) -> None:
    ours, plain = both(model_type)
    targets = [[7, 8, 2], [9, 9, 9, 9, 2], [2]]
    for mine, theirs in zip(ours.score(SOURCES, targets), plain.score(SOURCES, targets), strict=True):
        assert mine == pytest.approx(theirs, abs=1e-5)


@settings(max_examples=10)
@given(st.sampled_from(MODEL_TYPES), st.lists(st.sampled_from(range(3)), min_size=1, max_size=9), st.integers(1, 200))
def test_scores_hang_on_no_neighbour_and_no_limit(model_type: str, drawn: list[int], at_once: int) -> None:
    ours, plain = both(model_type)
    sources = [SOURCES[place] for place in drawn]
    targets = [[7, *range(4, 4 + number), 2] for number in range(len(drawn))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bartleby.backends.pytorch.backend.SCORED_AT_ONCE", at_once * VOCABULARY)
        found = ours.score(sources, targets)
    for source, target, mine in zip(sources, targets, found, strict=True):
        assert mine == pytest.approx(plain.score([source], [target])[0], abs=1e-5)


def test_it_reads_an_equal_source_once() -> None:
    ours, _ = both("bart")
    rows = []
    encoder = ours.model.get_encoder()
    encoder.register_forward_pre_hook(lambda _, arguments: rows.append(len(arguments[0])))
    ours.score([SOURCES[0]] * 20 + [SOURCES[1]], [[number + 4, 2] for number in range(21)])
    assert rows == [2]


@pytest.mark.parametrize("head", ["sequence_classification", "question_answering"])
def test_it_judges_as_the_plain_backend_judges(tmp_path: Path, head: str) -> None:
    folder = save_model(tmp_path, head)
    ours, plain = open_backend(folder, "pytorch"), open_backend(folder, "plain")
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


def test_samples_depend_on_the_seed_and_on_nothing_else() -> None:
    ours, _ = both("bart")
    options = GenerationConfig(**OPTIONS, do_sample=True, num_return_sequences=3)

    def sample(seed: int, sources: list) -> list:
        torch.manual_seed(0)
        return [[one.ids for one in hypotheses] for hypotheses in ours.generate(sources, options, seed)]

    together = sample(1, SOURCES)
    assert sample(1, SOURCES) == together
    assert sample(2, SOURCES) != together
    assert sample(1, SOURCES[:2]) == together[:2]
    assert len({ids for outputs in together for ids in outputs}) > 3


def test_padding_comes_last_and_is_masked_where_there_is_any() -> None:
    ids, mask = padded([[5, 6], [7]], torch.device("cpu"))
    assert ids.tolist()[1][0] == 7
    assert mask.tolist() == [[1, 1], [1, 0]]
    assert padded([[5, 6], [7, 8]], torch.device("cpu"))[1] is None


def test_what_cannot_be_read_or_written_is_refused_before_anything_runs() -> None:
    backend, options = both("bart")[0], GenerationConfig(**OPTIONS)
    with pytest.raises(VocabularyError):
        backend.generate([[VOCABULARY]], options)
    with pytest.raises(LengthError):
        backend.generate([[5] * (POSITIONS + 1)], options)
    with pytest.raises(LengthError):
        backend.generate(SOURCES, GenerationConfig(**OPTIONS | {"max_new_tokens": POSITIONS + 1}))
    with pytest.raises(OptionError, match="whole tokens"):
        backend.generate(SOURCES, GenerationConfig(**OPTIONS, token_healing=True))
    with pytest.raises(ShapeError, match="one target for each of 3 sources, but are 1"):
        backend.score(SOURCES, [[5]])
    assert backend.generate([], options) == backend.score([], []) == []


def test_a_checkpoint_folder_is_decoded_as_it_says(tmp_path: Path) -> None:
    written, _ = both("blenderbot")
    written.model.generation_config = GenerationConfig(num_beams=2, **OPTIONS)
    written.model.save_pretrained(tmp_path)
    opened = open_backend(tmp_path)
    assert (opened.name, opened.config.model_type, opened.generation_config.num_beams) == ("pytorch", "blenderbot", 2)
    assert not opened.model.training
    plain = open_backend(tmp_path, "plain").generate(SOURCES, opened.generation_config)
    found = opened.generate(SOURCES, opened.generation_config)
    assert [[one.ids for one in outputs] for outputs in found] == [[one.ids for one in outputs] for outputs in plain]
    assert open_backend(tmp_path, "pytorch", dtype="bfloat16").model.dtype == torch.bfloat16
