"""Token rules: what decoding may not choose next, or should choose less. Plain NumPy, the definition of each rule.

A rule maps the scores of the next token to new ones: log-probabilities in beam search, raw logits otherwise. Rules know
nothing of models or beams and run in `RULE_ORDER`, because later ones may undo earlier ones: a forced token beats every
ban but a suppressed token. `ids` always holds the whole decoder side, start token included, and so do all lengths.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from bartleby.generation.config import GenerationConfig, listed
from bartleby.generation.resolution import eos_ids, length_bounds

Scores = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]


class Rule(Protocol):
    """A rule that needs no more than what was written so far."""

    def __call__(self, ids: Ids, scores: Scores, /) -> Scores:
        """Shapes: ids (n, t), scores (n, v) -> (n, v)."""


@runtime_checkable
class SourceRule(Protocol):
    """A rule about the source text, which therefore asks which source each row answers."""

    def about_source(self, ids: Ids, scores: Scores, sources: Ids, /) -> Scores:
        """Shapes: ids (n, t), scores (n, v), sources (n,) -> (n, v)."""


def apply_rules(rules: Sequence[Rule | SourceRule], ids: Ids, scores: Scores, sources: Ids) -> Scores:
    """The scores after all `rules`, in the order given; `sources` (n,) says which source each row answers."""
    for rule in rules:
        scores = rule.about_source(ids, scores, sources) if isinstance(rule, SourceRule) else rule(ids, scores)
    return scores


@dataclass(frozen=True)
class RepetitionPenalty:
    """What was written before is less likely the larger `penalty` is; the start token counts as written.

    Source: Keskar et al. 2019 (arXiv 1909.05858), section 4.1.
    """

    penalty: float

    def __call__(self, ids: Ids, scores: Scores) -> Scores:
        written = np.take_along_axis(scores, ids, axis=1)
        # Dividing would make a negative score better, so those are multiplied.
        lowered = np.where(written < 0, written * np.float32(self.penalty), written / np.float32(self.penalty))
        penalized = scores.copy()
        np.put_along_axis(penalized, ids, lowered, axis=1)
        return penalized


@dataclass(frozen=True)
class NoRepeatNgram:
    """No n-gram of the output occurs in it twice.

    Source: Paulus et al. 2017 (arXiv 1705.04304), section 2.5.
    """

    size: int

    def __call__(self, ids: Ids, scores: Scores) -> Scores:
        allowed = scores.copy()
        for row, history in enumerate(ids):
            allowed[row, completions(history, self.size, of=history)] = -np.inf
        return allowed


@dataclass(frozen=True)
class NoSourceNgram:
    """No n-gram of the source occurs in the output: a chat model may not parrot what was said to it."""

    size: int
    sources: tuple[Ids, ...]
    """The ids of every source, without padding."""

    def about_source(self, ids: Ids, scores: Scores, sources: Ids) -> Scores:
        allowed = scores.copy()
        for row, (history, source) in enumerate(zip(ids, sources, strict=True)):
            allowed[row, completions(history, self.size, of=self.sources[source])] = -np.inf
        return allowed


def completions(history: Ids, size: int, of: Ids) -> Ids:
    """The tokens that, written after `history`, would complete an n-gram of the text `of`."""
    if min(len(of), len(history) + 1) < size:
        return of[:0]
    grams = sliding_window_view(of, size)
    begun = history[len(history) - size + 1 :]  # the last size - 1 tokens; empty for unigrams
    completes: Ids = grams[(grams[:, :-1] == begun).all(axis=1), -1]
    return completes


@dataclass(frozen=True)
class BadWords:
    """None of these token sequences is written. End tokens on their own stay allowed, or nothing could end."""

    words: tuple[tuple[int, ...], ...]

    def __call__(self, ids: Ids, scores: Scores) -> Scores:
        allowed = scores.copy()
        for *start, last in self.words:
            if len(start) <= ids.shape[1]:
                begun = (ids[:, ids.shape[1] - len(start) :] == start).all(axis=1)
                allowed[begun, last] = -np.inf
        return allowed


@dataclass(frozen=True)
class MinLength:
    """No end before `length` tokens are written."""

    length: int
    eos: tuple[int, ...]

    def __call__(self, ids: Ids, scores: Scores) -> Scores:
        return banned(scores, self.eos) if ids.shape[1] < self.length else scores


@dataclass(frozen=True)
class ForcedStart:
    """The one token after the start token is `token`; a longer prompt has its own."""

    token: int

    def __call__(self, ids: Ids, scores: Scores) -> Scores:
        return forced(scores, (self.token,)) if ids.shape[1] == 1 else scores


@dataclass(frozen=True)
class ForcedEnd:
    """The last token that fits into `max_length` is one of `tokens`."""

    max_length: int
    tokens: tuple[int, ...]

    def __call__(self, ids: Ids, scores: Scores) -> Scores:
        return forced(scores, self.tokens) if ids.shape[1] == self.max_length - 1 else scores


@dataclass(frozen=True)
class SuppressTokens:
    """These tokens are never written, not even when forced."""

    tokens: tuple[int, ...]

    def __call__(self, ids: Ids, scores: Scores) -> Scores:
        return banned(scores, self.tokens)


@dataclass(frozen=True)
class SuppressTokensAtStart:
    """These tokens are not the first ones written, that is, at place `length`."""

    tokens: tuple[int, ...]
    length: int

    def __call__(self, ids: Ids, scores: Scores) -> Scores:
        return banned(scores, self.tokens) if ids.shape[1] == self.length else scores


@dataclass(frozen=True)
class Temperature:
    """Above 1 flattens the choice, below 1 sharpens it."""

    temperature: float

    def __call__(self, ids: Ids, scores: Scores) -> Scores:
        return scores / np.float32(self.temperature)


@dataclass(frozen=True)
class TopK:
    """Only the `count` best tokens; those that tie with the last of them stay too.

    Source: Fan et al. 2018 (arXiv 1805.04833), section 5.4.
    """

    count: int
    at_least: int = 1

    def __call__(self, ids: Ids, scores: Scores) -> Scores:
        count = min(max(self.count, self.at_least), scores.shape[1])
        worst_kept = np.partition(scores, -count, axis=1)[:, -count, None]
        return np.where(scores < worst_kept, np.float32(-np.inf), scores)


@dataclass(frozen=True)
class TopP:
    """Only the best tokens that together have the probability `share`; the one that crosses it stays.

    Source: Holtzman et al. 2019 (arXiv 1904.09751), section 3.1.
    """

    share: float
    at_least: int = 1

    def __call__(self, ids: Ids, scores: Scores) -> Scores:
        worst_first = np.argsort(scores, axis=1, kind="stable")
        probabilities = np.exp(log_softmax(np.take_along_axis(scores, worst_first, axis=1)))
        dropped = probabilities.cumsum(axis=1) <= 1 - self.share
        dropped[:, -self.at_least :] = False
        nucleus = scores.copy()
        rows, places = np.nonzero(dropped)
        nucleus[rows, worst_first[rows, places]] = -np.inf
        return nucleus


RULE_ORDER: tuple[type, ...] = (
    RepetitionPenalty,
    NoRepeatNgram,
    NoSourceNgram,
    BadWords,
    MinLength,
    ForcedStart,
    ForcedEnd,
    SuppressTokens,
    SuppressTokensAtStart,
    Temperature,
    TopK,
    TopP,
)


def rules_for(
    options: GenerationConfig, prompt_length: int, sources: Sequence[Sequence[int]]
) -> tuple[Rule | SourceRule, ...]:
    """The rules that `options` ask for, in their order.

    `prompt_length` is that of the decoder side before anything is written: 1 for the start token alone.
    `sources` are the ids of all sources, unpadded: padding has no n-grams.
    """
    asked = [*_bans(options, prompt_length, sources), *_demands(options, prompt_length)]
    if options.do_sample:
        asked += _cuts(options)
    return tuple(sorted(asked, key=lambda rule: RULE_ORDER.index(type(rule))))


def _bans(
    options: GenerationConfig, prompt_length: int, sources: Sequence[Sequence[int]]
) -> Iterator[Rule | SourceRule]:
    eos = eos_ids(options)
    shortest, _ = length_bounds(options, prompt_length)
    if options.repetition_penalty != 1:
        yield RepetitionPenalty(options.repetition_penalty)
    if options.no_repeat_ngram_size > 0:
        yield NoRepeatNgram(options.no_repeat_ngram_size)
    if options.encoder_no_repeat_ngram_size > 0:
        yield NoSourceNgram(
            options.encoder_no_repeat_ngram_size, tuple(np.asarray(source, dtype=np.int64) for source in sources)
        )
    if options.bad_words_ids is not None:
        ends = {(token,) for token in eos}
        yield BadWords(tuple(word for word in map(tuple, options.bad_words_ids) if word not in ends))
    if eos and shortest > 0:
        yield MinLength(shortest, eos)


def _demands(options: GenerationConfig, prompt_length: int) -> Iterator[Rule]:
    _, longest = length_bounds(options, prompt_length)
    if options.forced_bos_token_id is not None:
        yield ForcedStart(options.forced_bos_token_id)
    if options.forced_eos_token_id is not None:
        yield ForcedEnd(longest, listed(options.forced_eos_token_id))
    if options.suppress_tokens is not None:
        yield SuppressTokens(tuple(options.suppress_tokens))
    if options.begin_suppress_tokens is not None:
        # A forced start is not a choice, so the first choice is the token after it.
        is_forced = prompt_length == 1 and options.forced_bos_token_id is not None
        yield SuppressTokensAtStart(tuple(options.begin_suppress_tokens), prompt_length + is_forced)


def _cuts(options: GenerationConfig) -> Iterator[Rule]:
    # With beams every end token may be cut away and something must still go on.
    at_least = 1 if options.num_beams == 1 else max(len(eos_ids(options)), 1) + 1
    if options.temperature != 1:
        yield Temperature(options.temperature)
    if options.top_k > 0:
        yield TopK(options.top_k, at_least)
    if options.top_p < 1:
        yield TopP(options.top_p, at_least)


def banned(scores: Scores, tokens: Sequence[int]) -> Scores:
    """`scores` with `tokens` made impossible."""
    allowed = scores.copy()
    allowed[:, list(tokens)] = -np.inf
    return allowed


def forced(scores: Scores, tokens: Sequence[int]) -> Scores:
    """Everything but `tokens` made impossible; they themselves are certain, so they cost a beam nothing."""
    only = np.full_like(scores, -np.inf)
    only[:, list(tokens)] = 0
    return only


def log_softmax(scores: Scores) -> Scores:
    """Log-probabilities of each row, in the precision given: rows with nothing possible stay impossible."""
    best = scores.max(axis=-1, keepdims=True)
    is_possible = np.isfinite(best)
    shifted = scores - np.where(is_possible, best, 0)
    total = np.exp(shifted).sum(axis=-1, keepdims=True)
    normalized: Scores = shifted - np.log(np.where(is_possible, total, 1))
    return normalized
