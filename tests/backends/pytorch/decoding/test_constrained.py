from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bartleby.errors import VocabularyError
from bartleby.generation import search as definition
from bartleby.generation.config import GenerationConfig
from tests.generation.markov import EOS, START, random_tables

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch.backend import hypotheses  # noqa: E402  after the skip
from bartleby.backends.pytorch.decoding.search import search  # noqa: E402
from bartleby.backends.pytorch.decoding.task import Task  # noqa: E402
from tests.backends.pytorch.decoding.drifting import SOURCES, TOKENS, DriftingDecoder, DriftingWriter, same  # noqa: E402
from tests.backends.pytorch.decoding.test_groups import Listener, written  # noqa: E402

WORDS = st.one_of(
    st.lists(st.integers(4, 11), min_size=1, max_size=3),
    st.tuples(st.integers(4, 7), st.integers(8, 11)).map(lambda pair: [[pair[0], 5], [pair[1]]]),
    st.tuples(st.integers(4, 7), st.integers(8, 11)).map(lambda pair: [[6, pair[0], 5], [6, pair[1]]]),
)
OPTIONS = st.fixed_dictionaries(
    {
        "num_beams": st.integers(2, 5),
        "max_length": st.integers(4, 12),
        "length_penalty": st.sampled_from([1.0, 0.0, 0.65, 2.0, -1.0]),
        "early_stopping": st.sampled_from([True, False, "never"]),
        "no_repeat_ngram_size": st.sampled_from([0, 2]),
        "repetition_penalty": st.sampled_from([1.0, 1.4]),
        "forced_bos_token_id": st.sampled_from([None, 6]),
        "eos_token_id": st.sampled_from([EOS, [EOS, 3]]),
        "force_words_ids": st.lists(WORDS, min_size=1, max_size=2),
    }
)


@settings(max_examples=60)
@given(OPTIONS, st.integers(0, 10**4), st.booleans(), st.data())
def test_it_writes_what_the_definition_writes(
    options: dict[str, Any], seed: int, whole: bool, data: st.DataObject
) -> None:
    config = GenerationConfig(**TOKENS | options, num_return_sequences=data.draw(st.integers(1, options["num_beams"])))
    tables = random_tables(seed, sources=3)
    expected = definition.generate(DriftingDecoder(tables), config, SOURCES)
    found = hypotheses(written(tables, config, whole=whole), prompt_length=1)
    # Among what is all forbidden, or all hopeless, topk and argsort choose differently.
    assume(all(one.score > -1e3 for each in (expected, found) for outputs in each for one in outputs))
    assert same(found, expected)


def options_of(**more: Any) -> GenerationConfig:
    return GenerationConfig(
        **TOKENS | {"num_beams": 4, "max_length": 10, "force_words_ids": [[5, 6], [[7], [8]]]} | more
    )


def test_the_trail_leads_to_the_scores_of_every_token() -> None:
    listener, options = Listener(), options_of(length_penalty=0.0, num_return_sequences=2)
    found = written(random_tables(3, sources=3), options, whole=True, listener=listener)
    for ids, trail, length, score in zip(
        found.ids.flatten(0, 1), found.trail.flatten(0, 1), found.lengths.flatten(), found.scores.flatten(), strict=True
    ):
        parts = [listener.scores[step][trail[1 + step], ids[1 + step]] for step in range(length)]
        assert sum(parts).item() == pytest.approx(score.item(), abs=1e-4)


def test_what_a_rule_forbids_scores_as_impossible() -> None:
    options = options_of(force_words_ids=[[5]], suppress_tokens=[5, EOS], max_length=4, num_return_sequences=4)
    found = written(random_tables(0, sources=1), options)
    forbidden = torch.isinf(found.scores)
    assert forbidden.any()
    assert ((found.ids == 5).any(dim=2) == forbidden).all()


def test_finished_sources_leave_the_batch_with_what_they_have_written() -> None:
    tables = np.full((3, 12, 12), -4, dtype=np.float32)
    tables[:, :, 9:] = 4
    tables[1, :, EOS] = 30
    writer = DriftingWriter(tables)
    options = options_of(early_stopping=True, force_words_ids=[[5]], num_beams=2)
    search(Task(options, [], torch.full((3, 1), START), 10), writer)
    assert writer.rows_asked[-1] < 6
    found = hypotheses(written(tables, options), prompt_length=1)
    assert all(5 in outputs[0].ids for outputs in found)
    assert len(found[1][0].ids) < len(found[0][0].ids)


def test_tokens_that_do_not_exist_are_refused() -> None:
    with pytest.raises(VocabularyError, match="12"):
        written(random_tables(0), options_of(force_words_ids=[[12]]))
