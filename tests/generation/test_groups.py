from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bartleby.generation.beams import BeamOptions, Hypothesis
from bartleby.generation.config import GenerationConfig
from bartleby.generation.groups import UNLIKELY, Group, advance, best_of_groups, is_settled
from bartleby.generation.search import generate
from tests.generation.markov import EOS, PAD, START, MarkovDecoder, random_tables
from tests.generation.test_search import SOURCES, TOKENS


def group_options(**options: Any) -> BeamOptions:
    return BeamOptions.of(GenerationConfig(**{"num_beams": 2, "eos_token_id": EOS} | options), 1, 10)


def group(ids: list[list[int]], scores: list[float], finished: tuple[float, ...] = ()) -> Group:
    hypotheses = [Hypothesis((4, EOS), score, "eos") for score in finished]
    return Group(np.array(ids), np.array(scores, dtype=np.float32), hypotheses)


def totals(**scores: float) -> np.ndarray:
    """Scores by beam and token, as `b0t5=-1.0`; everything else is far behind."""
    found = np.full((2, 12), -500, dtype=np.float32) - np.arange(12, dtype=np.float32)
    for name, score in scores.items():
        beam, token = name.removeprefix("b").split("t")
        found[int(beam), int(token)] = score
    return found


def test_ends_are_finished_and_the_best_of_the_rest_go_on() -> None:
    beams = group([[3, 5], [3, 6]], [-1, -2])
    chosen = advance(beams, totals(b0t2=-1.5, b1t7=-2, b0t8=-2.5, b1t9=-3), group_options(), PAD)
    assert [(one.beam, one.token) for one in chosen] == [(1, 7), (0, 8)]
    assert beams.ids.tolist() == [[3, 6, 7], [3, 5, 8]]
    assert beams.finished == [Hypothesis((5, EOS), -0.75, "eos")]


def test_the_best_candidate_decides_whether_a_group_is_settled_even_if_it_ends() -> None:
    """So it is in 4.37; later releases look at the best beam."""
    beams = group([[3, 5, 6], [3, 6, 6]], [-1, -9], finished=(-0.4, -0.6))
    assert not is_settled(beams, np.float32(-1.1), group_options())
    assert is_settled(beams, np.float32(-1.3), group_options())
    assert is_settled(beams, np.float32(-1.1), group_options(early_stopping=True))
    assert not is_settled(beams, np.float32(-4), group_options(early_stopping="never"))
    assert is_settled(group([[3], [4]], [-np.inf, -np.inf]), np.float32(-1), group_options())


def test_a_settled_group_writes_padding() -> None:
    beams = group([[3, 5], [3, 6]], [-1, -2])
    beams.done = True
    assert [one.token for one in advance(beams, totals(), group_options(), PAD)] == [PAD, PAD]
    assert [one.token for one in advance(beams, totals(), group_options(), None)] == [EOS, EOS]
    assert beams.finished == []


def test_the_outputs_of_all_groups_are_ranked_together() -> None:
    groups = [group([[3]], [0], finished=(-1, -3)), group([[3]], [0], finished=(-2,))]
    assert [one.score for one in best_of_groups(groups, 2)] == [-1, -2]
    assert [one.score for one in best_of_groups(groups, 5)] == [-1, -2, -3, -3, -3]


def test_a_group_begins_with_one_likely_beam() -> None:
    beams = Group.start(np.array([3, 4]), 3)
    assert beams.ids.tolist() == [[3, 4]] * 3
    assert beams.scores.tolist() == [0, UNLIKELY, UNLIKELY]


def test_a_high_penalty_sets_groups_apart() -> None:
    options = {**TOKENS, "num_beams": 3, "num_beam_groups": 3, "num_return_sequences": 3, "max_length": 4}
    ((*close,),) = generate(
        MarkovDecoder(random_tables(3)), GenerationConfig(**options, diversity_penalty=1e-3), SOURCES[:1]
    )
    ((*apart,),) = generate(
        MarkovDecoder(random_tables(3)), GenerationConfig(**options, diversity_penalty=50.0), SOURCES[:1]
    )
    assert len({one.ids for one in close}) == 1
    assert len({one.ids[0] for one in apart}) == 3
    likely = sorted(random_tables(3)[0, START])[::-1][:3]
    assert {random_tables(3)[0, START, one.ids[0]] for one in apart} == set(likely)


@settings(max_examples=40)
@given(st.integers(0, 10**4), st.sampled_from([2, 3]))
def test_without_a_penalty_worth_the_name_groups_are_beam_searches(seed: int, size: int) -> None:
    """With an exact end: the releases whose ends these are compare other beams where they guess."""
    options = {**TOKENS, "max_length": 8, "length_penalty": 0.0, "early_stopping": "never"}
    tables = random_tables(seed)
    ((alone,),) = generate(MarkovDecoder(tables), GenerationConfig(**options, num_beams=size), SOURCES[:1])
    grouped = GenerationConfig(**options, num_beams=2 * size, num_beam_groups=2, diversity_penalty=1e-7)
    ((found,),) = generate(MarkovDecoder(tables), grouped, SOURCES[:1])
    assert found.score == pytest.approx(alone.score, abs=1e-4)  # ids may tie


@pytest.mark.parametrize("allowed", [[5], [5, 6]])
def test_groups_whose_rules_leave_little_still_write(allowed: list[int]) -> None:
    options = GenerationConfig(
        **TOKENS,
        num_beams=4,
        num_beam_groups=2,
        diversity_penalty=1.0,
        num_return_sequences=4,
        max_length=4,
        suppress_tokens=[token for token in range(12) if token not in allowed],
    )
    ((*found,),) = generate(MarkovDecoder(random_tables(0)), options, SOURCES[:1])
    assert len(found) == 4
    assert all(set(one.ids) <= set(allowed) and len(one.ids) == 3 for one in found)


def test_a_blocked_group_gives_what_it_has() -> None:
    options = GenerationConfig(
        **TOKENS, num_beams=2, num_beam_groups=2, diversity_penalty=1.0, max_length=9, suppress_tokens=[*range(12)]
    )
    (found,) = generate(MarkovDecoder(random_tables(0)), options, SOURCES[:1])
    assert [(one.ids, one.finish_reason) for one in found] == [((), "blocked")]
