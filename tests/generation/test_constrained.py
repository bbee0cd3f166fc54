from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bartleby.errors import OptionError, VocabularyError
from bartleby.generation.beams import BeamOptions, Hypothesis
from bartleby.generation.config import GenerationConfig
from bartleby.generation.constrained import FORBIDDEN, Options
from bartleby.generation.constraints import Constraint, DisjunctiveConstraint, PhrasalConstraint
from bartleby.generation.search import generate
from tests.generation.markov import EOS, MarkovDecoder, random_tables
from tests.generation.test_search import SOURCES, TOKENS


def decode(seed: int, sources: int = 1, **options: Any) -> list[list[Hypothesis]]:
    config = GenerationConfig(**TOKENS | {"num_beams": 4, "max_length": 12} | options)
    return generate(MarkovDecoder(random_tables(seed, sources)), config, SOURCES[:sources])


def holds(ids: tuple[int, ...], phrase: list[int]) -> bool:
    return any(list(ids[place : place + len(phrase)]) == phrase for place in range(len(ids)))


@settings(max_examples=60)
@given(st.integers(0, 10**4), st.lists(st.integers(4, 11), min_size=1, max_size=3), st.integers(2, 5))
def test_the_best_output_contains_the_phrase(seed: int, phrase: list[int], beams: int) -> None:
    """Only of two beams, cut off at the greatest length, may none have come to its end in time (the next test)."""
    for (found,) in decode(seed, sources=2, force_words_ids=[phrase], num_beams=beams):
        assert holds(found.ids, phrase) or (beams == 2 and found.finish_reason == "length")


def test_two_beams_that_both_miss_a_phrase_are_those_of_4_37() -> None:
    """What the ConstrainedBeamSearchScorer of transformers 4.37.2 writes, given the same scores."""
    found = [one.ids for (one,) in decode(506, sources=2, force_words_ids=[[5, 6]], num_beams=2)]
    assert found == [(7, 5, 8, 5, 6, 8, 5, 8, 5, 8, 5), (0, 5, 5, 8, 5, 5, 5, 5, 5, 5, 5)]


@settings(max_examples=40)
@given(st.integers(0, 10**4), st.integers(4, 7), st.integers(8, 11))
def test_the_best_output_contains_one_of_several_phrases(seed: int, one: int, other: int) -> None:
    ((found,),) = decode(seed, constraints=[DisjunctiveConstraint([[one, one], [other]])])
    assert holds(found.ids, [one, one]) or holds(found.ids, [other])


def test_constraints_and_forced_words_go_together() -> None:
    ((found,),) = decode(1, constraints=[PhrasalConstraint([5, 6])], force_words_ids=[[8], [[9, 10], [11]]])
    assert holds(found.ids, [5, 6])
    assert holds(found.ids, [8])
    assert holds(found.ids, [9, 10]) or holds(found.ids, [11])


def test_no_output_ends_before_it_contains_everything() -> None:
    tables = random_tables(2)
    tables[:, :, EOS] += 20
    config = GenerationConfig(**TOKENS, num_beams=3, max_length=12, force_words_ids=[[5, 6]])
    ((found,),) = generate(MarkovDecoder(tables), config, SOURCES[:1])
    assert found.ids == (5, 6, EOS)


def test_constraints_of_the_caller_are_followed() -> None:
    class Even(Constraint):
        """One even token."""

        def __init__(self) -> None:
            self.seqlen, self.completed = 1, False

        def advance(self) -> list[int] | None:
            return None if self.completed else [4, 6, 8, 10]

        def does_advance(self, token_id: int) -> bool:
            return not self.completed and token_id in (4, 6, 8, 10)

        def update(self, token_id: int) -> tuple[bool, bool, bool]:
            self.completed = self.does_advance(token_id)
            return self.completed, self.completed, not self.completed

        def reset(self) -> None:
            self.completed = False

        def remaining(self) -> int:
            return 1 - self.completed

        def copy(self, stateful: bool = False) -> Constraint:
            other = Even()
            other.completed = stateful and self.completed
            return other

    ((found,),) = decode(4, constraints=[Even()], suppress_tokens=[4, 6, 8])
    assert 10 in found.ids


def test_what_does_not_fit_is_written_as_far_as_it_goes() -> None:
    ((found,),) = decode(0, force_words_ids=[[5, 6, 7, 8]], max_length=4)
    assert len(found.ids) == 3
    assert found.finish_reason == "length"


def test_a_constraint_may_lead_where_a_rule_forbids_to_go() -> None:
    (found,) = decode(0, force_words_ids=[[5]], suppress_tokens=[5], max_length=5, num_return_sequences=1)
    assert found[0].score > -math.inf or holds(found[0].ids, [5])


def test_forbidden_outputs_of_all_lengths_are_alike() -> None:
    options = Options.of(GenerationConfig(num_beams=2), 1, 9)
    assert isinstance(options, BeamOptions)
    assert options.normalized(FORBIDDEN, 7) == FORBIDDEN
    assert options.normalized(np.float32(-6), 3) == -2


def test_more_than_there_are_is_filled_with_the_last() -> None:
    ((*found,),) = decode(3, force_words_ids=[[7]], num_return_sequences=4, forced_eos_token_id=EOS)
    assert len(found) == 4
    assert holds(found[0].ids, [7])


def test_tokens_that_do_not_exist_are_refused() -> None:
    with pytest.raises((VocabularyError, OptionError), match="99"):
        decode(0, force_words_ids=[[99]])


@pytest.mark.parametrize("options", [{"do_sample": True}, {"num_beam_groups": 2, "diversity_penalty": 1.0}])
def test_sampling_and_groups_cannot_be_constrained(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="force_words_ids"):
        decode(0, force_words_ids=[[5]], **options)
