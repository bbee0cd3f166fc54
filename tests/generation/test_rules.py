import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartleby.errors import OptionError
from bartleby.generation.config import GenerationConfig
from bartleby.generation.cuts import CUTS
from bartleby.generation.options import CHECKS
from bartleby.generation.rules import (
    RULE_ORDER,
    BadWords,
    ForcedEnd,
    ForcedStart,
    ForcedTokens,
    GrowingEnd,
    MinLength,
    NoRepeatNgram,
    NoSourceNgram,
    OnlyAllowed,
    RemoveInvalid,
    RepetitionPenalty,
    SequenceBias,
    SourceRepetitionBonus,
    SuppressTokens,
    SuppressTokensAtStart,
    apply_rules,
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


def test_a_bias_counts_where_a_sequence_is_about_to_close() -> None:
    bias = SequenceBias((((4,), 2.0), ((5, 6), -3.0), ((7, 5, 6), 1.0), ((3, 3, 3, 8), 9.0)))
    assert bias(ids(7, 5), flat_scores())[0, [4, 6, 8]].tolist() == [2, -2, 0]
    assert bias(ids(5, 7), flat_scores())[0, [4, 6, 8]].tolist() == [2, 0, 0]
    assert bias(ids(), flat_scores())[0, [4, 6, 8]].tolist() == [2, 0, 0]


def test_what_the_source_says_becomes_likelier_whatever_its_sign() -> None:
    rule = SourceRepetitionBonus(2.0, (np.array([4, 4]), np.array([5]), np.array([], dtype=np.int64)))
    scores = np.array([[0, 0, 0, 0, 3, -3]] * 3, dtype=np.float32)
    lifted = rule.about_source(ids(1, 1), scores, np.array([0, 1, 2]))
    assert lifted[:, [4, 5]].tolist() == [[6, -3], [3, -1.5], [3, -3]]


def test_only_what_is_allowed_comes_next() -> None:
    asked = []

    def allowed(source: int, history: np.ndarray) -> list[int]:
        asked.append((source, history.tolist()))
        return [4, 5] if source == 0 else [6]

    rows = np.array([[3, 7], [3, 8], [3, 9]])
    scores = OnlyAllowed(allowed).about_source(rows, flat_scores(3) - 1, np.array([0, 0, 1]))
    assert asked == [(0, [3, 7]), (0, [3, 8]), (1, [3, 9])]
    assert [np.flatnonzero(np.isfinite(row)).tolist() for row in scores] == [[4, 5], [4, 5], [6]]


def test_what_is_allowed_comes_next_where_bans_left_a_source_nothing() -> None:
    rule = OnlyAllowed(lambda source, history: [4])
    scores = flat_scores(3) - 1
    scores[[0, 2], 4] = -np.inf
    after = rule.about_source(np.array([[3]] * 3), scores, np.array([0, 0, 1]))
    assert after[:, 4].tolist() == [-np.inf, -1, 0]


def test_a_score_that_is_no_number_is_no_ban_of_what_is_allowed() -> None:
    rule, scores = OnlyAllowed(lambda source, history: [4, 5]), flat_scores() - 1
    scores[0, 7] = np.nan
    assert rule.about_source(ids(3), scores, np.array([0]))[0, [4, 5, 6]].tolist() == [-1, -1, -np.inf]


@pytest.mark.parametrize(
    ("tokens", "message"), [([], "allows none for source 0"), ([12], "ids from 0 to 11"), ([-1], "-1")]
)
def test_a_function_that_allows_nothing_possible_is_refused(tokens: list[int], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        OnlyAllowed(lambda source, history: tokens).about_source(ids(3), flat_scores(), np.array([0]))


def test_nothing_infinite_is_left() -> None:
    scores = np.array([[np.nan, np.inf, -np.inf, 1.5]], dtype=np.float32)
    bounds = np.finfo(np.float32)
    assert RemoveInvalid()(ids(), scores).tolist() == [[0, bounds.max, bounds.min, 1.5]]


def test_the_end_grows_from_its_start_on_and_never_overflows() -> None:
    rule = GrowingEnd(2, 1.5, (2, 7))
    scores = flat_scores() - 4
    scores[0, 7] = -np.inf
    assert [rule(ids(*[3] * length), scores)[0, [2, 7, 5]].tolist() for length in (2, 3, 4)] == [
        [-4, -np.inf, -4],
        [-2, -np.inf, -4],
        [1, -np.inf, -4],
    ]
    far = GrowingEnd(0, 100.0, (2,))(ids(*[3] * 500), scores)
    assert np.isfinite(far[0, 2])
    assert GrowingEnd(0, 0.5, (2,))(ids(*[3] * 500), scores)[0, 2] == -8


def test_forced_tokens_stand_at_their_places() -> None:
    rule = ForcedTokens(((1, 5), (3, 6)))
    chosen = [np.flatnonzero(np.isfinite(rule(ids(*[3] * length), flat_scores())[0])) for length in (1, 2, 3)]
    assert [tokens.tolist() for tokens in chosen] == [[5], list(range(VOCABULARY)), [6]]


EVERYTHING = {
    "sequence_bias": {(4,): 1.0},
    "encoder_repetition_penalty": 1.3,
    "remove_invalid_values": True,
    "exponential_decay_length_penalty": (2, 1.2),
    "forced_decoder_ids": [[2, 6], [3, None]],
    "top_h": 0.9,
    "min_p": 0.05,
    "typical_p": 0.9,
    "epsilon_cutoff": 1e-3,
    "eta_cutoff": 1e-3,
    "renormalize_logits": True,
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
    rules = rules_for(GenerationConfig(**EVERYTHING), 1, [[4, 5]], lambda source, history: [4])
    assert [type(rule) for rule in rules] == list(RULE_ORDER)


def test_every_rule_says_which_option_asked_for_it() -> None:
    rules = rules_for(GenerationConfig(**EVERYTHING), 1, [[4, 5]], lambda source, history: [4])
    settings = [rule.setting for rule in rules]
    assert sorted(set(settings)) == sorted(settings)
    assert set(settings) - {"prefix_allowed_tokens_fn"} <= CHECKS.keys()
    for name in ("min_length", "min_new_tokens"):
        (rule,) = rules_for(GenerationConfig(eos_token_id=2, **{name: 3}), 1, [])
        assert rule.setting == name


def test_options_that_ask_for_nothing_make_no_rules() -> None:
    assert rules_for(GenerationConfig(eos_token_id=2), 1, [[4]]) == ()


@pytest.mark.filterwarnings("ignore:.*has no effect")
def test_cuts_are_for_sampling_only() -> None:
    options = GenerationConfig(**EVERYTHING | {"do_sample": False})
    assert {type(rule) for rule in rules_for(options, 1, [[4]])} == {*RULE_ORDER} - {*CUTS} - {OnlyAllowed} | {CUTS[-1]}


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


@pytest.mark.parametrize(("prompt", "place"), [(1, 4), (3, 4), (6, 6)])
def test_the_first_choice_comes_after_forced_places(prompt: int, place: int) -> None:
    options = GenerationConfig(begin_suppress_tokens=[8], forced_decoder_ids=[[1, 5], [3, 6]])
    assert SuppressTokensAtStart((8,), place) in rules_for(options, prompt, [])


@given(Histories, st.sampled_from([{}, EVERYTHING]), st.integers(0, 2**32 - 1))
def test_no_rule_changes_what_it_was_given(history: list[int], options: dict, seed: int) -> None:
    scores = np.random.default_rng(seed).standard_normal((1, VOCABULARY)).astype(np.float32)
    before = scores.copy()
    after = apply_rules(rules_for(GenerationConfig(**options), 1, [[4, 5, 6]]), ids(3, *history), scores, np.array([0]))
    assert (scores == before).all()
    assert after.dtype == np.float32
