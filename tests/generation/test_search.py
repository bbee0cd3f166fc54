from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartleby.errors import OptionError
from bartleby.generation.config import GenerationConfig
from bartleby.generation.rules import log_softmax
from bartleby.generation.search import generate
from tests.generation.markov import BOS, EOS, PAD, START, VOCABULARY, MarkovDecoder, random_tables

TOKENS = {"pad_token_id": PAD, "bos_token_id": BOS, "eos_token_id": EOS, "decoder_start_token_id": START}
SOURCES = [[4, 5, 6, EOS], [7, EOS], [8, 8, 4, EOS]]


def options_of(**options) -> GenerationConfig:
    return GenerationConfig(**TOKENS | options)


def decode(tables: np.ndarray, options: GenerationConfig, **more):
    return generate(MarkovDecoder(tables), options, SOURCES[: len(tables)], **more)


def test_greedy_search_takes_the_best_token_until_the_end() -> None:
    tables = random_tables(0)
    ((found,),) = decode(tables, options_of(max_length=12))
    last = START
    for token in found.ids:
        assert token == tables[0, last].argmax()
        last = token
    assert (found.finish_reason == "eos") == (last == EOS)


def test_outputs_of_greedy_search_are_scored_by_the_model_alone() -> None:
    tables = random_tables(1)
    ((found,),) = decode(tables, options_of(max_length=6, repetition_penalty=1.5, forced_bos_token_id=5))
    path = [START, *found.ids]
    likely = log_softmax(tables[0])
    assert found.score == pytest.approx(sum(likely[one, other] for one, other in pairwise(path)))


@pytest.mark.parametrize("length_penalty", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("seed", range(5))
def test_beams_wide_enough_find_the_best_of_all_outputs(seed: int, length_penalty: float) -> None:
    vocabulary, new = 5, 4
    tables = random_tables(seed, vocabulary=vocabulary)
    likely = log_softmax(tables[0].astype(np.float64))

    def score(path: tuple[int, ...]) -> float:
        whole = (START, *path)
        return sum(likely[one, other] for one, other in zip(whole, path, strict=False)) / len(path) ** length_penalty

    paths = {
        (*path[: path.index(EOS)], EOS) if EOS in path else path for path in product(range(vocabulary), repeat=new)
    }
    options = options_of(
        num_beams=vocabulary**new, max_new_tokens=new, length_penalty=length_penalty, early_stopping="never"
    )
    ((best, *_),) = decode(tables, options)
    assert best.ids == max(paths, key=score)
    assert best.score == pytest.approx(score(best.ids), rel=1e-5)


def test_finished_sources_leave_the_batch() -> None:
    tables = np.full((3, VOCABULARY, VOCABULARY), -9, dtype=np.float32)
    for source, steps in enumerate((0, 2, 4)):  # walks 4, 5, … and then ends
        for token in range(START, START + steps):
            tables[source, token, token + 1] = 9
        tables[source, START + steps, EOS] = 9
    decoder = MarkovDecoder(tables)
    found = generate(decoder, options_of(), SOURCES)
    assert [hypotheses[0].ids for hypotheses in found] == [(EOS,), (4, 5, EOS), (4, 5, 6, 7, EOS)]
    assert decoder.rows_asked == [3, 2, 2, 1, 1]


Prompts = st.lists(st.lists(st.integers(0, VOCABULARY - 1), max_size=3), min_size=3, max_size=3)
Options = st.fixed_dictionaries(
    {},
    optional={
        "num_beams": st.integers(1, 4),
        "num_return_sequences": st.integers(1, 3),
        "do_sample": st.booleans(),
        "temperature": st.floats(0.3, 3),
        "top_k": st.integers(0, 20),
        "top_p": st.floats(0.1, 1),
        "length_penalty": st.floats(-2, 2),
        "early_stopping": st.sampled_from([True, False, "never"]),
        "max_new_tokens": st.integers(1, 8),
        "min_new_tokens": st.integers(0, 8),
        "no_repeat_ngram_size": st.integers(0, 3),
        "encoder_no_repeat_ngram_size": st.integers(0, 3),
        "repetition_penalty": st.floats(0.5, 2),
        "bad_words_ids": st.lists(st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=3), max_size=9),
        "suppress_tokens": st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=VOCABULARY),
        "forced_bos_token_id": st.integers(0, VOCABULARY - 1),
        "forced_eos_token_id": st.sampled_from([EOS, [EOS, 5]]),
        "eos_token_id": st.sampled_from([EOS, [EOS, 5], [EOS, 5, 6, 7]]),
    },
)


@pytest.mark.filterwarnings("ignore:.*has no effect")
@given(
    Options, st.integers(0, 99), st.lists(st.lists(st.integers(0, VOCABULARY - 1), max_size=3), min_size=3, max_size=3)
)
def test_any_options_either_run_or_are_refused(options: dict, seed: int, prompts: list[list[int]]) -> None:
    try:
        config = options_of(**options)
    except OptionError:
        return
    found = decode(random_tables(seed, sources=3), config, prompts=prompts, seed=seed)
    ends = {config.eos_token_id} if isinstance(config.eos_token_id, int) else set(config.eos_token_id)
    for hypotheses, prompt in zip(found, prompts, strict=True):
        assert len(hypotheses) == config.num_return_sequences
        room = config.max_new_tokens or 20 - max(1, len(prompt) + (prompt[:1] != [START]))
        for one in hypotheses:
            assert np.isfinite(one.score)
            assert len(one.ids) <= room
            assert not ends & set(one.ids[:-1])
            assert (one.ids[-1:] != () and one.ids[-1] in ends) == (one.finish_reason == "eos")
            assert one.finish_reason != "length" or len(one.ids) == room


@pytest.mark.filterwarnings("ignore:.*has no effect")
@given(Options, st.integers(0, 99))
def test_a_source_is_decoded_alike_alone_and_among_others(options: dict, seed: int) -> None:
    try:
        config = options_of(**options | {"do_sample": False})
    except OptionError:
        return
    tables = random_tables(seed, sources=3)
    together = decode(tables, config)
    for source in range(3):
        assert generate(MarkovDecoder(tables[source : source + 1]), config, [SOURCES[source]]) == [together[source]]


@given(st.integers(0, 99), st.integers(1, 3))
def test_prompts_of_unequal_length_do_not_change_each_other(seed: int, beams: int) -> None:
    tables, config = random_tables(seed, sources=3), options_of(num_beams=beams, max_new_tokens=5)
    prompts = [[START, 5, 6], [], [7]]
    together = decode(tables, config, prompts=prompts)
    for source, prompt in enumerate(prompts):
        alone = generate(MarkovDecoder(tables[source : source + 1]), config, SOURCES[:1], prompts=[prompt])
        assert alone == [together[source]]


def test_a_prompt_is_not_part_of_the_output_and_may_leave_out_the_start_token() -> None:
    tables, config = random_tables(3), options_of(max_new_tokens=4)
    assert decode(tables, config, prompts=[[START, 5]]) == decode(tables, config, prompts=[[5]])
    ((found,),) = decode(tables, config, prompts=[[5]])
    assert found.ids[0] == tables[0, 5].argmax()


@pytest.mark.parametrize("beams", [1, 2])
def test_the_same_seed_draws_the_same_samples(beams: int) -> None:
    tables, config = random_tables(4, sources=3), options_of(do_sample=True, num_beams=beams, num_return_sequences=2)
    assert decode(tables, config, seed=1) == decode(tables, config, seed=1)
    assert decode(tables, config, seed=1) != decode(tables, config, seed=2)


def test_samples_follow_the_probabilities() -> None:
    tables, config = random_tables(5), options_of(do_sample=True, top_k=0, max_new_tokens=1, num_return_sequences=4000)
    first = [one.ids[0] for one in decode(tables, config, seed=0)[0]]
    expected = np.exp(log_softmax(tables[0, START]))
    assert np.bincount(first, minlength=VOCABULARY) / len(first) == pytest.approx(expected, abs=0.03)


def test_sampling_from_one_token_is_greedy_search() -> None:
    tables = random_tables(6)
    assert decode(tables, options_of(do_sample=True, top_k=1)) == decode(tables, options_of())


@pytest.mark.parametrize("beams", [1, 3])
def test_rules_that_leave_nothing_end_the_output_and_say_so(beams: int) -> None:
    options = options_of(suppress_tokens=[*range(VOCABULARY)], num_beams=beams, num_return_sequences=beams)
    assert [(one.ids, one.finish_reason) for one in decode(random_tables(7), options)[0]] == [((), "blocked")] * beams


def test_a_prompt_without_room_is_refused_before_anything_runs() -> None:
    decoder = MarkovDecoder(random_tables(8))
    with pytest.raises(OptionError, match="`max_length` must be more than the 3 tokens"):
        generate(decoder, options_of(max_length=3), SOURCES[:1], prompts=[[START, 5, 6]])
    assert decoder.rows_asked == []


def test_nothing_in_nothing_out() -> None:
    assert generate(MarkovDecoder(random_tables(9)), options_of(), []) == []
