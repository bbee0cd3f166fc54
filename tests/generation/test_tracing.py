from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartleby.generation.config import GenerationConfig
from bartleby.generation.provenance import provenance
from bartleby.generation.resolution import resolve_options
from bartleby.generation.rules import rules_for
from bartleby.generation.search import search_beams, search_rows
from bartleby.generation.task import Task
from bartleby.generation.trace import Trace
from bartleby.generation.tracing import Tracer
from tests.generation.markov import BOS, EOS, PAD, START, VOCABULARY, MarkovDecoder, random_tables

TOKENS = {"pad_token_id": PAD, "bos_token_id": BOS, "eos_token_id": EOS, "decoder_start_token_id": START}
CHECKPOINT = GenerationConfig(**TOKENS, no_repeat_ngram_size=2, max_length=9)


def traced(tables: Any, prompt: tuple[int, ...] = (START,), **overrides: Any) -> tuple[Trace, list[Any]]:
    """The trace and the hypotheses of a search with the checkpoint's options and these."""
    options = resolve_options(CHECKPOINT, overrides)
    sources = range(len(tables))
    rules = rules_for(options, len(prompt), [[4, 5, EOS] for _ in sources])
    tracer = Tracer(options, provenance(options, overrides, CHECKPOINT))
    task = Task(
        MarkovDecoder(tables),
        options,
        tracer.watched(rules),
        np.arange(len(tables)),
        np.array([prompt for _ in sources]),
        options.max_length,
        tuple(np.random.default_rng(place) for place in sources) if options.do_sample else None,
    )
    found = (search_beams if options.num_beams > 1 else search_rows)(task)
    watched = tracer.finish([[(one.ids, one.finish_reason) for one in outputs] for outputs in found])
    untouched = replace(task, rules=rules, decoder=MarkovDecoder(tables))
    if not options.do_sample:
        assert (search_beams if options.num_beams > 1 else search_rows)(untouched) == found
    return watched, found


@given(
    st.integers(0, 1000),
    st.sampled_from([{}, {"num_beams": 3, "num_return_sequences": 2}, {"do_sample": True, "num_return_sequences": 3}]),
)
def test_every_token_of_every_output_is_explained_and_nothing_is_changed(seed: int, how: dict[str, Any]) -> None:
    trace, found = traced(random_tables(seed, sources=2), **how, repetition_penalty=1.3, forced_eos_token_id=EOS)
    written = [(output.source, output.place, output.ids) for output in trace.outputs]
    assert written == [(s, place, one.ids) for s, ones in enumerate(found) for place, one in enumerate(ones)]
    for output in trace.outputs:
        assert [(step.number, step.token) for step in output.steps] == list(enumerate(output.ids, start=1))
        assert all(step.probability_left is not None and step.probability_left > 0 for step in output.steps)
        assert all(step.before[0].probability >= step.before[-1].probability for step in output.steps)


def test_a_forced_token_is_named_with_its_rank_before() -> None:
    tables = random_tables(0)
    trace, _ = traced(tables, forced_bos_token_id=7)
    step = trace.outputs[0].steps[0]
    rank = int((tables[0, START] > tables[0, START, 7]).sum()) + 1
    assert (step.token, step.why, step.rank) == (7, "only", rank)
    [effect] = step.effects
    assert effect.is_forced
    assert (effect.setting, effect.banned, effect.possible) == ("forced_bos_token_id", VOCABULARY - 1, 1)
    assert [(touch.token, touch.rank, touch.after) for touch in effect.touched] == [(7, rank, 0.0)]
    assert f"forced_bos_token_id=7 forced token 7 (rank {rank} of {VOCABULARY})" in str(trace)


def test_a_ban_says_how_many_and_which_of_the_likeliest() -> None:
    tables = random_tables(3)
    best = int(tables[0, START].argmax())
    few, many = [best], [token for token in range(VOCABULARY) if token != best][:5]
    trace, _ = traced(tables, suppress_tokens=few)
    [effect] = trace.outputs[0].steps[0].effects
    assert (effect.setting, effect.banned) == ("suppress_tokens", 1)
    assert [(touch.token, touch.rank, touch.after) for touch in effect.touched] == [(best, 1, None)]
    assert f"suppress_tokens=[{best}] banned 1 token: token {best} (rank 1)" in str(trace)
    assert f"the model's first choice was token {best}" in str(trace)
    trace, _ = traced(tables, suppress_tokens=[best, *many])
    [effect] = trace.outputs[0].steps[0].effects
    leading = {candidate.token for candidate in trace.outputs[0].steps[0].before}
    assert effect.banned == len(many) + 1
    assert {touch.token for touch in effect.touched} == leading & {best, *many}


def test_a_penalty_says_by_how_much() -> None:
    trace, _ = traced(random_tables(2), prompt=(START, 5), repetition_penalty=2.0)
    effect = next(e for e in trace.outputs[0].steps[0].effects if e.setting == "repetition_penalty")
    assert (effect.changed, effect.banned) == (2, 0)
    for touch in effect.touched:
        assert touch.before is not None
        assert touch.after == pytest.approx(touch.before / 2 if touch.before > 0 else touch.before * 2)


def test_lengths_and_start_say_whose_word_they_are() -> None:
    trace, _ = traced(random_tables(1), max_new_tokens=3)
    assert (trace.most.length, trace.most.setting, trace.origins["max_new_tokens"].source) == (
        4,
        "max_new_tokens",
        "caller",
    )
    assert (trace.least.length, trace.least.setting, trace.origins["min_length"].source) == (0, "min_length", "default")
    text = str(trace)
    assert "at most 4 (max_new_tokens=3 from the caller), prompt of 1 included" in text
    assert f"decoder_start_token_id={START} from the model's generation config is what every output begins with" in text
    trace, _ = traced(random_tables(1))
    assert "at most 9 (max_length=9 from the model's generation config)" in str(trace)


def test_a_prompt_of_the_callers_is_told_apart_from_the_start_token() -> None:
    trace, _ = traced(random_tables(1), prompt=(START, 5, 6))
    assert trace.outputs[0].prompt == (START, 5, 6)
    assert "then token 5 token 6 is the caller's prompt" in str(trace)
    trace, _ = traced(random_tables(1), prompt=(5, 6))
    assert trace.start is None
    assert "start: token 5 token 6 is the caller's prompt" in str(trace)


def test_the_end_says_why() -> None:
    never = random_tables(1)
    never[:, :, EOS] = -50
    trace, _ = traced(never)
    assert trace.outputs[0].reason == "length"
    assert "end: no more room: max_length=9 from the model's generation config" in str(trace)
    trace, _ = traced(never, forced_eos_token_id=EOS)
    assert "end: an end token was written, forced by forced_eos_token_id=2" in str(trace)
    trace, _ = traced(never, suppress_tokens=list(range(VOCABULARY)))
    assert trace.outputs[0].ids == ()
    assert "end: the rules left no token to go on with" in str(trace)


def test_scores_are_let_go_of_once_the_choice_is_known() -> None:
    options = resolve_options(CHECKPOINT, {"max_length": 8})
    tracer = Tracer(options)
    tables = random_tables(4)
    tables[:, :, EOS] = -50
    task = Task(MarkovDecoder(tables), options, tracer.watched(()), np.arange(1), np.array([[START]]), 8, None)
    search_rows(task)
    kept = [seen.raw is not None for step in tracer.steps for seen in step.values()]
    assert kept == [False] * 5 + [True] * 2


def test_tensors_are_watched_too() -> None:
    torch = pytest.importorskip("torch")

    def halve(ids: Any, scores: Any, sources: Any) -> Any:
        return scores.div_(2)  # in place, as rules on a device may

    tracer = Tracer(CHECKPOINT)
    scores = torch.tensor([[2.0, float("nan"), 4.0, float("-inf")], [0.0, 8.0, 6.0, 1.0]])
    for rule in tracer.watched([halve], ["logits_processor"]):
        scores = rule(torch.full((2, 1), START), scores, torch.arange(2))
    trace = tracer.finish([[((2,), "eos")], [((1,), "stopped")]])
    assert [output.steps[0].effects[0].setting for output in trace.outputs] == ["logits_processor"] * 2
    assert [output.steps[0].effects[0].changed for output in trace.outputs] == [2, 3]
    assert "changed 2 tokens: token 2 by -2.00, token 0 by -1.00" in str(trace)
    assert trace.outputs[0].steps[0].probability == pytest.approx(1 / (1 + np.exp(-2)))
    assert "end: a stopping criterion said so" in str(trace)


def test_sources_may_have_places_of_their_own() -> None:
    tracer = Tracer(CHECKPOINT)
    for rule in tracer.watched([]):
        rule(np.array([[START]]), np.zeros((1, 5), dtype=np.float32), np.array([7]))
    assert tracer.finish([[((4,), "length")]], sources=[7]).outputs[0].source == 7
