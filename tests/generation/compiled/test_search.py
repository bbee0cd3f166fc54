from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bartleby.errors import OptionError
from bartleby.generation.compiled.search import Search
from bartleby.generation.compiled.task import NOT_WRITTEN
from bartleby.generation.search import generate
from tests.generation.compiled.markov_reader import MarkovReader, sample, task_of, write
from tests.generation.compiled.numpy_arrays import NumpyArrays
from tests.generation.markov import EOS, PAD, START, VOCABULARY, MarkovDecoder, random_tables
from tests.generation.test_search import SOURCES, Options, options_of

MORE = st.fixed_dictionaries(
    {},
    optional={
        "encoder_repetition_penalty": st.floats(0.5, 2),
        "sequence_bias": st.sampled_from([{(4,): 2.0, (5, 6): -3.0, (7, 5, 6): 1.0}, {(3,): -1.0, (3, 4): 5.0}]),
        "exponential_decay_length_penalty": st.sampled_from([(1, 1.5), (3, 1.01)]),
        "begin_suppress_tokens": st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=4),
        "forced_decoder_ids": st.sampled_from([[[2, 5]], [[1, 4], [3, 6]]]),
        "remove_invalid_values": st.booleans(),
        "renormalize_logits": st.booleans(),
    },
)
Cuts = st.fixed_dictionaries(
    {},
    optional={
        "min_p": st.floats(0, 1),
        "top_h": st.floats(0.1, 1),
        "typical_p": st.floats(0.1, 1),
        "epsilon_cutoff": st.floats(0, 0.5),
        "eta_cutoff": st.floats(0, 0.5),
    },
)
Prompts = st.lists(st.integers(0, VOCABULARY - 1), max_size=3)


def outcome(found: list) -> list:
    return [[(one.ids, one.finish_reason) for one in outputs] for outputs in found]


def scores(found: list) -> list[float]:
    return [one.score for outputs in found for one in outputs]


@pytest.mark.filterwarnings("ignore:.*has no effect", "ignore:overflow encountered")
@settings(max_examples=100)
@given(Options, MORE, st.integers(0, 99), Prompts)
def test_it_writes_what_the_definition_writes(options: dict[str, Any], more: dict, seed: int, prompt: list) -> None:
    try:
        config = options_of(**options | more | {"do_sample": False})
    except OptionError:
        return
    tables, prompts = random_tables(seed, sources=3), [[START, *prompt]] * 3
    found = write(tables, task_of(config, SOURCES, prompts))
    expected = generate(MarkovDecoder(tables), config, SOURCES, prompts=prompts)
    assert outcome(found) == outcome(expected)
    assert scores(found) == pytest.approx(scores(expected), rel=1e-4, abs=1e-4)


@pytest.mark.filterwarnings("ignore:.*has no effect", "ignore:overflow encountered")
@settings(max_examples=100)
@given(Options, Cuts, st.integers(0, 99))
def test_the_same_chance_draws_what_the_definition_draws(options: dict[str, Any], cuts: dict, seed: int) -> None:
    try:
        config = options_of(**options | cuts | {"do_sample": True})
    except OptionError:
        return
    tables = random_tables(seed, sources=3)
    found = sample(tables, task_of(config, SOURCES, [[START]] * 3), seed)
    expected = generate(MarkovDecoder(tables), config, SOURCES, seed=seed)
    assert outcome(found) == outcome(expected)
    assert scores(found) == pytest.approx(scores(expected), rel=1e-4, abs=1e-4)


def test_prompts_are_read_once_for_each_source_and_the_search_ends_when_all_are_settled() -> None:
    tables = np.full((2, VOCABULARY, VOCABULARY), -9, dtype=np.float32)
    tables[0, START, EOS] = tables[1, START, 5] = tables[1, 5, EOS] = 9
    reader = MarkovReader(tables)
    task = task_of(options_of(max_length=12), SOURCES[:2], [[START]] * 2)
    Search(NumpyArrays(), task, reader).run(np.arange(2))
    assert reader.rows_asked == [2, 2]
    reader = MarkovReader(tables)
    task = task_of(options_of(max_length=12, num_beams=3, early_stopping=True), SOURCES[:2], [[START]] * 2)
    Search(NumpyArrays(), task, reader).run(np.arange(2))
    assert reader.rows_asked[:2] == [2, 6]
    assert len(reader.rows_asked) < 11


def test_padding_of_prompts_is_no_text() -> None:
    tables, prompts = random_tables(1, sources=2), [[PAD, PAD, START, 5, 6, 5], [START, 7, 7, 7, 8, 7]]
    config = options_of(max_new_tokens=3, no_repeat_ngram_size=2, repetition_penalty=1.7, num_beams=2)
    padding = np.array([[True, True, False, False, False, False], [False] * 6])
    found = write(tables, task_of(config, SOURCES[:2], prompts, padding=padding))
    alone = write(tables[:1], task_of(config, SOURCES[:1], [prompts[0][2:]]))
    assert outcome(found)[0] == outcome(alone)[0]


def test_the_trail_of_a_beam_leads_back_to_its_tokens() -> None:
    tables, config = random_tables(2, sources=2), options_of(max_new_tokens=4, num_beams=3, num_return_sequences=3)
    task = task_of(config, SOURCES[:2], [[START]] * 2)
    written = Search(NumpyArrays(), task, MarkovReader(tables)).run(np.arange(2))
    for source in range(2):
        for ids, length, trail in zip(written.ids[source], written.lengths[source], written.trail[source], strict=True):
            assert trail[0] == NOT_WRITTEN
            assert trail[1] == source  # the first step has a row a source
            assert set(trail[2 : 1 + length]) <= {*range(3 * source, 3 * source + 3)}
            assert set(trail[1 + length :]) <= {NOT_WRITTEN}
            assert set(ids[1 + length :]) <= {PAD}


def test_rules_that_leave_nothing_end_the_output_and_say_so() -> None:
    for beams in (1, 3):
        options = options_of(suppress_tokens=[*range(VOCABULARY)], num_beams=beams, num_return_sequences=beams)
        found = write(random_tables(7), task_of(options, SOURCES[:1], [[START]]))
        assert outcome(found) == [[((), "blocked")] * beams]
