"""Token rules: what decoding may not choose next, or should choose less. Plain NumPy, the definition of each rule.

A rule maps the scores of the next token to new ones: log-probabilities in beam search, raw logits otherwise. Rules know
nothing of models or beams and run in `RULE_ORDER`, because later ones may undo earlier ones: a forced token beats every
ban but a suppressed token. What sampling draws from is cut last, in `cuts.py`. `ids` always holds the whole decoder
side, start token included, and so do all lengths.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from bartleby.errors import OptionError
from bartleby.generation.config import GenerationConfig
from bartleby.generation.cuts import CUTS as CUTS
from bartleby.generation.cuts import cuts_for
from bartleby.generation.options import biases, listed
from bartleby.generation.resolution import eos_ids, length_bounds
from bartleby.generation.scores import Ids as Ids
from bartleby.generation.scores import Scores as Scores
from bartleby.generation.scores import banned, forced
from bartleby.generation.scores import log_softmax as log_softmax

LARGEST_GROWTH = 1e30
"""Of an exponential penalty: more would overflow float32."""

AllowedTokens = Callable[[int, Any], Sequence[int]]
"""Called with the place of a source and the ids (t,) of one of its rows, an array here and a tensor in PyTorch; returns
the tokens that may come next."""


class Rule(Protocol):
    """A rule that needs no more than what was written so far."""

    @property
    def setting(self) -> str:
        """The option that asked for it."""

    def __call__(self, ids: Ids, scores: Scores, /) -> Scores:
        """Shapes: ids (n, t), scores (n, v) -> (n, v)."""


@runtime_checkable
class SourceRule(Protocol):
    """A rule about the source text, which therefore asks which source each row answers."""

    @property
    def setting(self) -> str:
        """The option that asked for it."""

    def about_source(self, ids: Ids, scores: Scores, sources: Ids, /) -> Scores:
        """Shapes: ids (n, t), scores (n, v), sources (n,) -> (n, v)."""


def apply_rules(rules: Sequence[Rule | SourceRule], ids: Ids, scores: Scores, sources: Ids) -> Scores:
    """The scores after all `rules`, in the order given; `sources` (n,) says which source each row answers."""
    for rule in rules:
        scores = rule.about_source(ids, scores, sources) if isinstance(rule, SourceRule) else rule(ids, scores)
    return scores


@dataclass(frozen=True)
class SequenceBias:
    """The last token of each sequence gains its bias where the tokens before it stand at the end of the output."""

    setting: ClassVar[str] = "sequence_bias"
    biases: tuple[tuple[tuple[int, ...], float], ...]

    def __call__(self, ids: Ids, scores: Scores) -> Scores:
        bias = np.zeros_like(scores)
        for (*start, last), amount in self.biases:
            bias[stands_at_end(ids, start), last] += np.float32(amount)
        return scores + bias


@dataclass(frozen=True)
class SourceRepetitionBonus:
    """What stands in the source is more likely the larger `penalty` is: it is the inverse of a repetition penalty."""

    setting: ClassVar[str] = "encoder_repetition_penalty"
    penalty: float
    sources: tuple[Ids, ...]
    """The ids of every source, without padding."""

    def about_source(self, ids: Ids, scores: Scores, sources: Ids) -> Scores:
        changed = scores.copy()
        for row, source in enumerate(sources):
            tokens = self.sources[source]
            changed[row, tokens] = lowered(scores[row, tokens], 1 / self.penalty)
        return changed


@dataclass(frozen=True)
class RepetitionPenalty:
    """What was written before is less likely the larger `penalty` is; the start token counts as written.

    Source: Keskar et al. 2019 (arXiv 1909.05858), section 4.1.
    """

    setting: ClassVar[str] = "repetition_penalty"
    penalty: float

    def __call__(self, ids: Ids, scores: Scores) -> Scores:
        penalized = scores.copy()
        np.put_along_axis(penalized, ids, lowered(np.take_along_axis(scores, ids, axis=1), self.penalty), axis=1)
        return penalized


def lowered(scores: Scores, penalty: float) -> Scores:
    """Scores worse by the factor `penalty`: dividing would make a negative score better, so those are multiplied."""
    return np.where(scores < 0, scores * np.float32(penalty), scores / np.float32(penalty))


@dataclass(frozen=True)
class NoRepeatNgram:
    """No n-gram of the output occurs in it twice.

    Source: Paulus et al. 2017 (arXiv 1705.04304), section 2.5.
    """

    setting: ClassVar[str] = "no_repeat_ngram_size"
    size: int

    def __call__(self, ids: Ids, scores: Scores) -> Scores:
        allowed = scores.copy()
        for row, history in enumerate(ids):
            allowed[row, completions(history, self.size, of=history)] = -np.inf
        return allowed


@dataclass(frozen=True)
class NoSourceNgram:
    """No n-gram of the source occurs in the output: a chat model may not parrot what was said to it."""

    setting: ClassVar[str] = "encoder_no_repeat_ngram_size"
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

    setting: ClassVar[str] = "bad_words_ids"
    words: tuple[tuple[int, ...], ...]

    def __call__(self, ids: Ids, scores: Scores) -> Scores:
        allowed = scores.copy()
        for *start, last in self.words:
            allowed[stands_at_end(ids, start), last] = -np.inf
        return allowed


def stands_at_end(ids: Ids, tokens: Sequence[int]) -> npt.NDArray[np.bool_]:
    """Which rows end in `tokens`: (n, t) -> (n,); in none all do."""
    ends = ids[:, max(ids.shape[1] - len(tokens), 0) :]
    if ends.shape[1] < len(tokens):
        return np.zeros(len(ids), dtype=bool)
    ended: npt.NDArray[np.bool_] = (ends == np.array(tokens, dtype=np.int64)).all(axis=1)
    return ended


@dataclass(frozen=True)
class MinLength:
    """No end before `length` tokens are written."""

    length: int
    eos: tuple[int, ...]
    setting: str = "min_length"

    def __call__(self, ids: Ids, scores: Scores) -> Scores:
        return banned(scores, self.eos) if ids.shape[1] < self.length else scores


@dataclass(frozen=True)
class OnlyAllowed:
    """Only what `allowed` names comes next. Its word is the last where bans have left no row of a source anything."""

    setting: ClassVar[str] = "prefix_allowed_tokens_fn"
    allowed: AllowedTokens

    def about_source(self, ids: Ids, scores: Scores, sources: Ids) -> Scores:
        """As every source rule.

        Raises: OptionError if nothing is allowed, or something outside the vocabulary.
        """
        only = np.full_like(scores, -np.inf)
        for row, (history, source) in enumerate(zip(ids, sources.tolist(), strict=True)):
            only[row, checked_tokens(self.allowed(source, history), source, scores.shape[1])] = 0
        both = scores + only
        for source in np.unique(sources):
            rows = sources == source
            if np.isneginf(both[rows]).all():  # what is no number may yet become one
                both[rows] = only[rows]
        return both


def checked_tokens(tokens: Sequence[int], source: int, vocab_size: int) -> list[int]:
    """What a caller's function allows, as a list.

    Raises: OptionError if that is nothing, or lies outside the vocabulary.
    """
    allowed = [int(token) for token in tokens]
    if not allowed:
        raise OptionError(
            f"`prefix_allowed_tokens_fn` must allow at least one token, but allows none for source {source}. "
            "Let it allow the end token where nothing else fits."
        )
    if not 0 <= min(allowed) <= max(allowed) < vocab_size:
        raise OptionError(
            f"`prefix_allowed_tokens_fn` must allow ids from 0 to {vocab_size - 1}, but allows {allowed}."
        )
    return allowed


@dataclass(frozen=True)
class ForcedStart:
    """The one token after the start token is `token`; a longer prompt has its own."""

    setting: ClassVar[str] = "forced_bos_token_id"
    token: int

    def __call__(self, ids: Ids, scores: Scores) -> Scores:
        return forced(scores, (self.token,)) if ids.shape[1] == 1 else scores


@dataclass(frozen=True)
class ForcedEnd:
    """The last token that fits into `max_length` is one of `tokens`."""

    setting: ClassVar[str] = "forced_eos_token_id"
    max_length: int
    tokens: tuple[int, ...]

    def __call__(self, ids: Ids, scores: Scores) -> Scores:
        return forced(scores, self.tokens) if ids.shape[1] == self.max_length - 1 else scores


@dataclass(frozen=True)
class RemoveInvalid:
    """No score is infinite or not a number. What was banned is the least likely, but can be chosen again."""

    setting: ClassVar[str] = "remove_invalid_values"

    def __call__(self, ids: Ids, scores: Scores) -> Scores:
        bounds = np.finfo(scores.dtype)
        return np.where(np.isnan(scores), np.float32(0), scores).clip(bounds.min, bounds.max)


@dataclass(frozen=True)
class GrowingEnd:
    """From `start` on, every token makes the end more likely than the one before it did, by `factor`.

    In 4.37 an end that is impossible gets no score at all; as in 5.x it stays impossible.
    """

    setting: ClassVar[str] = "exponential_decay_length_penalty"
    start: int
    factor: float
    eos: tuple[int, ...]

    def growth(self, length: int) -> float:
        """What part of its size the score of an end gains behind `length` tokens."""
        beyond = length - self.start
        if beyond <= 0:
            return 0.0
        overflows = beyond * np.log10(self.factor) > np.log10(LARGEST_GROWTH)
        return LARGEST_GROWTH if overflows else float(self.factor**beyond - 1)

    def __call__(self, ids: Ids, scores: Scores) -> Scores:
        ends, bounds = scores[:, list(self.eos)], np.finfo(scores.dtype)
        gained = np.abs(np.where(ends > bounds.min, ends, 0)) * np.float32(self.growth(ids.shape[1]))
        changed = scores.copy()
        changed[:, list(self.eos)] = np.minimum(ends + gained, bounds.max)
        return changed


@dataclass(frozen=True)
class SuppressTokens:
    """These tokens are never written, not even when forced."""

    setting: ClassVar[str] = "suppress_tokens"
    tokens: tuple[int, ...]

    def __call__(self, ids: Ids, scores: Scores) -> Scores:
        return banned(scores, self.tokens)


@dataclass(frozen=True)
class SuppressTokensAtStart:
    """These tokens are not the first ones written, that is, at place `length`."""

    setting: ClassVar[str] = "begin_suppress_tokens"
    tokens: tuple[int, ...]
    length: int

    def __call__(self, ids: Ids, scores: Scores) -> Scores:
        return banned(scores, self.tokens) if ids.shape[1] == self.length else scores


@dataclass(frozen=True)
class ForcedTokens:
    """At each of these places stands its token, whatever else is said. Only in 4.x."""

    setting: ClassVar[str] = "forced_decoder_ids"
    places: tuple[tuple[int, int], ...]

    def __call__(self, ids: Ids, scores: Scores) -> Scores:
        token = dict(self.places).get(ids.shape[1])
        return scores if token is None else forced(scores, (token,))


RULE_ORDER: tuple[type, ...] = (
    SequenceBias,
    SourceRepetitionBonus,
    RepetitionPenalty,
    NoRepeatNgram,
    NoSourceNgram,
    BadWords,
    MinLength,
    OnlyAllowed,
    ForcedStart,
    ForcedEnd,
    RemoveInvalid,
    GrowingEnd,
    SuppressTokens,
    SuppressTokensAtStart,
    ForcedTokens,
    *CUTS,
)


def rules_for(
    options: GenerationConfig,
    prompt_length: int,
    sources: Sequence[Sequence[int]],
    allowed_tokens: AllowedTokens | None = None,
) -> tuple[Rule | SourceRule, ...]:
    """The rules that `options` ask for, in their order.

    `prompt_length` is that of the decoder side before anything is written: 1 for the start token alone.
    `sources` are the ids of all sources, unpadded: padding has no n-grams. `allowed_tokens` is the caller's function
    that names the only tokens that may come next.
    """
    asked: list[Rule | SourceRule] = [
        *_about_sources(options, sources),
        *_bans(options, prompt_length),
        *_demands(options, prompt_length),
        *cuts_for(options),
    ]
    if allowed_tokens is not None:
        asked.append(OnlyAllowed(allowed_tokens))
    return tuple(sorted(asked, key=lambda rule: RULE_ORDER.index(type(rule))))


def _about_sources(options: GenerationConfig, sources: Sequence[Sequence[int]]) -> Iterator[SourceRule]:
    texts = tuple(np.asarray(source, dtype=np.int64) for source in sources)
    if options.encoder_repetition_penalty != 1:
        yield SourceRepetitionBonus(options.encoder_repetition_penalty, texts)
    if options.encoder_no_repeat_ngram_size > 0:
        yield NoSourceNgram(options.encoder_no_repeat_ngram_size, texts)


def _bans(options: GenerationConfig, prompt_length: int) -> Iterator[Rule]:
    eos = eos_ids(options)
    if options.sequence_bias is not None:
        yield SequenceBias(tuple(biases(options.sequence_bias).items()))
    if options.repetition_penalty != 1:
        yield RepetitionPenalty(options.repetition_penalty)
    if options.no_repeat_ngram_size > 0:
        yield NoRepeatNgram(options.no_repeat_ngram_size)
    if options.bad_words_ids is not None:
        ends = {(token,) for token in eos}
        yield BadWords(tuple(word for word in map(tuple, options.bad_words_ids) if word not in ends))
    shortest, _ = length_bounds(options, prompt_length)
    if eos and shortest > 0:
        yield MinLength(shortest, eos, "min_length" if options.min_new_tokens is None else "min_new_tokens")
    if options.suppress_tokens is not None:
        yield SuppressTokens(tuple(options.suppress_tokens))
    if options.begin_suppress_tokens is not None:
        yield SuppressTokensAtStart(tuple(options.begin_suppress_tokens), _first_choice(options, prompt_length))


def _first_choice(options: GenerationConfig, prompt_length: int) -> int:
    """The place of the first token that is not forced."""
    is_forced = prompt_length == 1 and options.forced_bos_token_id is not None
    last_forced = max((place for place, _ in options.forced_decoder_ids or ()), default=0)
    return max(prompt_length + is_forced, last_forced + 1)


def _demands(options: GenerationConfig, prompt_length: int) -> Iterator[Rule]:
    _, longest = length_bounds(options, prompt_length)
    if options.forced_bos_token_id is not None:
        yield ForcedStart(options.forced_bos_token_id)
    if options.forced_eos_token_id is not None:
        yield ForcedEnd(longest, listed(options.forced_eos_token_id))
    if options.forced_decoder_ids:
        places = [(place, token) for place, token in options.forced_decoder_ids if token is not None]
        yield ForcedTokens(tuple(places))
    if options.remove_invalid_values:
        yield RemoveInvalid()
    if options.exponential_decay_length_penalty is not None:
        start, factor = options.exponential_decay_length_penalty
        yield GrowingEnd(prompt_length + start, float(factor), eos_ids(options))
