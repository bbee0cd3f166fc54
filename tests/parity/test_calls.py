"""Calls of `generate` drawn at random, token by token and number by number against transformers 5.23.

Where 4.37.2 decides otherwise than 5.23, agreeing with either counts: goldens/calls.json holds what it writes in such
calls, and for Blenderbot-Small with `scale_embedding`, of which 5.23 is told by a table that is scaled already.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from bartleby.generation.later import LATER
from bartleby.generation.options import DEFAULTS
from tests.parity.calls import AHEAD, Call, call, in_release_4, with_scores
from tests.parity.tally import TALLIES

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')
pytest.importorskip("transformers", reason="needs the reference library: pip install transformers==5.23.0")

from tests.parity.calling import apart, ends_as_in_release_4, written  # noqa: E402  after the skips
from tests.parity.comparison import compare, ours_of  # noqa: E402

QUICK, SLOW = 120, 900
NOT_DRAWN = {
    *("num_beam_groups", "diversity_penalty", "penalty_alpha", "constraints", "force_words_ids"),  # only in 4.x, whose
    *("low_memory", "forced_decoder_ids"),  # goldens other tests have
    *("max_time", "stop_strings"),  # ask for a clock and for a tokenizer
    *("compile_config", "disable_compile", "_from_model_config", "transformers_version"),  # change nothing
}
GOLDENS = json.loads((Path(__file__).parent / "goldens" / "calls.json").read_text(encoding="utf-8"))


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("number", range(QUICK))
def test_a_call_gives_what_it_gives_in_the_reference_library(number: int) -> None:
    check(number)


@pytest.mark.slow
@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("number", range(QUICK, QUICK + SLOW))
def test_many_more_calls_give_what_they_give_in_the_reference_library(number: int) -> None:
    check(number)


def check(number: int) -> None:
    made = call(number)
    verdict, golden = compare(made), GOLDENS["answers"].get(str(number))
    agrees = verdict.is_same or ends_as_in_release_4(made, verdict.found) == golden
    listed = None if golden is None else made.name
    TALLIES["decoding against transformers 5.23"].add(verdict.differences, agrees and verdict.is_close, listed)
    assert agrees, made
    assert verdict.is_close, (verdict.differences, made)


@pytest.mark.parametrize("number", [*map(int, GOLDENS["scaled"])])
def test_scaled_embeddings_of_blenderbot_small_give_what_they_gave_in_4_37(number: int) -> None:
    assert GOLDENS["made_with"]["transformers"] == "4.37.2"
    made = in_release_4(call(number, scale_embedding=True))
    agrees = ends_as_in_release_4(made, written(made, ours_of(made))) == GOLDENS["scaled"][str(number)]
    TALLIES["decoding against goldens of transformers 4.37.2"].add({}, agrees)
    assert agrees, made


def test_the_calls_reach_every_way_and_option() -> None:
    calls = [call(number) for number in range(QUICK)]
    ways = itertools.product(("encoder-decoder", "decoder"), ("plain", "sampled", *AHEAD))
    assert {(made.form, made.way) for made in calls} == {*ways}
    assert {made.given for made in calls} == {"ids", "vectors", "states"}
    assert {each for made in calls for each in made.companions} == {"processor", "criterion", "allowed"}
    assert {made.drawn.prompts is not None and any(made.gaps) for made in calls} == {True, False}
    calls = [call(number) for number in range(QUICK + SLOW)]
    asked = {name for made in calls for name, value in made.options.items() if value != DEFAULTS[name]}
    refused = {name for name, reasons in LATER.items() if "pytorch" in reasons}
    assert {*DEFAULTS} - asked - refused == NOT_DRAWN
    beams = {(made.options["early_stopping"], made.options["length_penalty"]) for made in calls if is_beams(made)}
    assert {stopping for stopping, _ in beams} == {True, False, "never"}
    assert {penalty for _, penalty in beams} == {1.0, 0.0, 0.65, 2.0, -0.5}


def is_beams(made: Call) -> bool:
    return bool(made.options["num_beams"] > 1)


def test_a_changed_number_is_a_difference() -> None:
    made = with_scores(next(made for made in map(call, range(QUICK)) if is_beams(made) and not made.companions))
    ours, changed = ours_of(made), ours_of(made)
    assert max(apart(made, ours, changed).values()) == 0
    changed["scores"][0][changed["beam_indices"][0, 0]] += 0.5  # the row that the first output went through
    assert apart(made, ours, changed)["scores"] > 0.01
