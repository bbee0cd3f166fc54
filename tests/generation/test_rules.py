import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartleby.generation.config import GenerationConfig
from bartleby.generation.rules import (
    RULE_ORDER,
    BadWords,
    ForcedEnd,
    ForcedStart,
    MinLength,
    NoRepeatNgram,
    NoSourceNgram,
    RepetitionPenalty,
    SuppressTokens,
    SuppressTokensAtStart,
    Temperature,
    TopK,
    TopP,
    apply_rules,
    log_softmax,
    rules_for,
)

VOCABULARY = 12
Histories = st.lists(st.integers(0, VOCABULARY - 1), max_size=30)
Logits = st.lists(st.floats(-50, 50, width=32), min_size=VOCABULARY, max_size=VOCABULARY)


def ids(*history: int) -> np.ndarray:
    return np.array([history], dtype=np.int64).reshape(1, -1)


def flat_scores(rows: int = 1) -> np.ndarray:
    return np.zeros((rows, VOCABULARY), dtype=np.float32)


def banned_by(rule, *history: int) -> list[int]:
    return np.flatnonzero(np.isneginf(rule(ids(*history), flat_scores())[0])).tolist()


def test_a_bigram_seen_before_cannot_close_again() -> None:
    assert banned_by(NoRepeatNgram(2), 5, 6, 7, 5) == [6]


@pytest.mark.parametrize("size", [1, 2, 3, 9])
def test_short_histories_ban_nothing_they_have_not_seen(size: int) -> None:
    assert banned_by(NoRepeatNgram(size)) == []
    assert banned_by(NoRepeatNgram(size + 1), 4) == []


@given(Histories, st.integers(1, 4))
def test_choosing_any_allowed_token_never_repeats_an_ngram(history: list[int], size: int) -> None:
    scores = NoRepeatNgram(size)(ids(*history), flat_scores())
    before = {tuple(history[i : i + size]) for i in range(len(history) - size + 1)}
    for token in np.flatnonzero(np.isfinite(scores[0])):
        longer = [*history, int(token)]
        assert len(longer) < size or tuple(longer[-size:]) not in before


@given(Histories, Histories, st.integers(1, 4))
def test_choosing_any_allowed_token_never_writes_an_ngram_of_the_source(
    history: list[int], source: list[int], size: int
) -> None:
    rule = NoSourceNgram(size, (np.array([7, 7, 7]), np.array(source, dtype=np.int64)))
    allowed = np.isfinite(rule.about_source(ids(*history), flat_scores(), np.array([1]))[0])
    parroted = {tuple(source[i : i + size]) for i in range(len(source) - size + 1)}
    for token in range(VOCABULARY):
        gram = tuple([*history, token][-size:])
        assert allowed[token] == (len(gram) < size or gram not in parroted)


def test_each_row_is_held_against_its_own_source() -> None:
    rule = NoSourceNgram(1, (np.array([4]), np.array([5])))
    scores = rule.about_source(np.zeros((2, 1), dtype=np.int64), flat_scores(2), np.array([1, 0]))
    assert np.argwhere(np.isneginf(scores)).tolist() == [[0, 5], [1, 4]]


def test_a_penalty_makes_written_tokens_less_likely_whatever_their_sign() -> None:
    scores = np.array([[2.0, -2.0, 2.0]], dtype=np.float32)
    assert RepetitionPenalty(2.0)(ids(0, 1, 0), scores).tolist() == [[1.0, -4.0, 2.0]]


def test_a_word_of_several_tokens_is_cut_off_at_its_last() -> None:
    words = BadWords(((4, 5, 6), (9,)))
    assert banned_by(words, 1, 4, 5) == [6, 9]
    assert banned_by(words, 4) == [9]


def test_the_end_waits_for_the_minimum() -> None:
    rule = MinLength(3, eos=(2, 7))
    assert banned_by(rule, 3, 4) == [2, 7]
    assert banned_by(rule, 3, 4, 5) == []


def test_forced_tokens_are_certain_and_all_others_impossible() -> None:
    start, end = ForcedStart(4), ForcedEnd(3, (2, 7))
    assert start(ids(3), flat_scores() - 9)[0, 4] == 0
    assert banned_by(start, 3) == [token for token in range(VOCABULARY) if token != 4]
    assert banned_by(end, 3, 4) == [token for token in range(VOCABULARY) if token not in (2, 7)]
    assert banned_by(start, 3, 4) == banned_by(end, 3) == []


def test_suppressed_tokens_are_never_chosen_or_not_at_first() -> None:
    assert banned_by(SuppressTokens((4, 5)), 3, 4, 5) == [4, 5]
    at_start = SuppressTokensAtStart((4,), length=2)
    assert [banned_by(at_start, *[3] * length) for length in (1, 2, 3)] == [[], [4], []]


@given(Logits, st.floats(0.1, 10))
def test_temperature_changes_no_order(logits: list[float], temperature: float) -> None:
    scores = np.array([logits], dtype=np.float32)
    cooled = Temperature(temperature)(ids(), scores)
    assert (np.diff(cooled[0][scores[0].argsort()]) >= 0).all()


@given(Logits, st.integers(1, 20), st.integers(1, 3))
def test_top_k_keeps_the_best_and_their_ties(logits: list[float], count: int, at_least: int) -> None:
    scores = np.array([logits], dtype=np.float32)
    kept = np.isfinite(TopK(count, at_least)(ids(), scores)[0])
    wanted = min(max(count, at_least), VOCABULARY)
    assert kept.sum() >= wanted
    assert (scores[0] > scores[0][kept].min()).sum() < wanted
    assert scores[0][kept].min() > scores[0][~kept].max(initial=-np.inf)


@given(Logits, st.floats(0.01, 0.99), st.integers(1, 3))
def test_top_p_keeps_the_smallest_set_that_is_likely_enough(logits: list[float], share: float, at_least: int) -> None:
    scores = np.array([logits], dtype=np.float32)
    kept = np.isfinite(TopP(share, at_least)(ids(), scores)[0])
    probabilities = np.exp(log_softmax(scores.astype(np.float64)))[0]
    assert probabilities[kept].sum() >= share - 1e-5
    assert kept.sum() == at_least or probabilities[kept].sum() - probabilities[kept].min() <= share + 1e-5
    assert probabilities[kept].min() >= probabilities[~kept].max(initial=0)


@given(Logits)
def test_log_probabilities_add_up_to_one_and_keep_what_is_impossible(logits: list[float]) -> None:
    scores = np.array([logits, [-np.inf] * VOCABULARY, [*logits[:-1], -np.inf]], dtype=np.float32)
    log_probabilities = log_softmax(scores)
    assert np.exp(log_probabilities).sum(axis=1) == pytest.approx([1, 0, 1], abs=1e-5)
    assert (np.isneginf(log_probabilities) == np.isneginf(scores)).all()


EVERYTHING = {
    "eos_token_id": [2, 7],
    "forced_bos_token_id": 5,
    "forced_eos_token_id": 2,
    "repetition_penalty": 1.2,
    "no_repeat_ngram_size": 2,
    "encoder_no_repeat_ngram_size": 3,
    "bad_words_ids": [[2], [4, 4]],
    "min_length": 3,
    "suppress_tokens": [9],
    "begin_suppress_tokens": [8],
    "do_sample": True,
    "temperature": 0.7,
    "top_k": 5,
    "top_p": 0.9,
}


def test_all_rules_come_in_the_published_order() -> None:
    rules = rules_for(GenerationConfig(**EVERYTHING), 1, [[4, 5]])
    assert [type(rule) for rule in rules] == list(RULE_ORDER)


def test_options_that_ask_for_nothing_make_no_rules() -> None:
    assert rules_for(GenerationConfig(eos_token_id=2), 1, [[4]]) == ()


@pytest.mark.filterwarnings("ignore:.*has no effect")
def test_cuts_are_for_sampling_only() -> None:
    options = GenerationConfig(**EVERYTHING | {"do_sample": False})
    assert {type(rule) for rule in rules_for(options, 1, [[4]])} == set(RULE_ORDER) - {Temperature, TopK, TopP}


def test_a_forced_token_beats_every_ban_but_suppression() -> None:
    bans = {"bad_words_ids": [[5]], "forced_bos_token_id": 5, "no_repeat_ngram_size": 1}
    for suppressed, expected in (([], [5]), ([5], [])):
        options = GenerationConfig(**bans)
        options.suppress_tokens = suppressed or None
        scores = apply_rules(rules_for(options, 1, [[4]]), ids(5), flat_scores(), np.array([0]))
        assert np.flatnonzero(np.isfinite(scores[0])).tolist() == expected


def test_an_end_token_cannot_be_a_bad_word() -> None:
    (rule,) = rules_for(GenerationConfig(eos_token_id=2, bad_words_ids=[[2], [4]]), 1, [[4]])
    assert rule == BadWords(((4,),))


def test_the_first_choice_comes_after_a_forced_start() -> None:
    for prompt, forced, place in ((1, None, 1), (1, 5, 2), (3, 5, 3)):
        options = GenerationConfig(begin_suppress_tokens=[8], forced_bos_token_id=forced)
        assert SuppressTokensAtStart((8,), place) in rules_for(options, prompt, [[4]])


def test_beams_keep_something_to_go_on_with_beside_the_ends() -> None:
    for beams, at_least in ((1, 1), (2, 3)):
        options = GenerationConfig(do_sample=True, top_k=1, num_beams=beams, eos_token_id=[2, 7])
        assert rules_for(options, 1, [[4]]) == (TopK(1, at_least),)


@given(Histories, st.sampled_from([{}, EVERYTHING]), st.integers(0, 2**32 - 1))
def test_no_rule_changes_what_it_was_given(history: list[int], options: dict, seed: int) -> None:
    scores = np.random.default_rng(seed).standard_normal((1, VOCABULARY)).astype(np.float32)
    before = scores.copy()
    after = apply_rules(rules_for(GenerationConfig(**options), 1, [[4, 5, 6]]), ids(3, *history), scores, np.array([0]))
    assert (scores == before).all()
    assert after.dtype == np.float32
