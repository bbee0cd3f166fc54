"""Token rules over arrays of fixed shape. Definition: generation/rules.py, rule by rule.

How much is written may be known before the program runs, as in the first step, or not: a rule for one length decides
beforehand where it can. Bans touch the columns they ban; what is about whole rows is one pass that compilers join.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from bartleby.errors import OptionError
from bartleby.generation import rules as definition
from bartleby.generation.compiled import cuts
from bartleby.generation.compiled.arrays import Array, Arrays, Length
from bartleby.generation.compiled.task import IMPOSSIBLE, NO_TOKEN, Rule, Writing
from bartleby.generation.config import GenerationConfig
from bartleby.generation.options import listed
from bartleby.generation.resolution import length_bounds

Processor = Callable[[Array, Array, Length], Array]
"""A caller's own, as published: called with all ids (r, w), the scores (r, v) and how many columns are written."""


@dataclass(frozen=True)
class About:
    """What rules are translated for."""

    room: int
    """The greatest length, `max_length`."""
    sources: Array | None = None
    """Of every source its ids, with NO_TOKEN behind them, (b, s); see `packed`."""


def applied(
    xp: Arrays, rules: Sequence[definition.Rule | definition.SourceRule], room: int, sources: Array | None = None
) -> list[Rule]:
    """The functions that do over arrays what `rules` say, in the same order."""
    about = About(room, sources)
    return [
        _without_ids(cuts.TRANSLATIONS[type(rule)](xp, rule))
        if type(rule) in cuts.TRANSLATIONS
        else TRANSLATIONS[type(rule)](xp, rule, about)
        for rule in rules
    ]


def all_rules(
    xp: Arrays,
    options: GenerationConfig,
    first: int,
    sources: Array | None,
    processors: Sequence[Processor] = (),
) -> list[Rule]:
    """The rules of the options and the caller's own, in their order; `first` is the length of the prompts."""
    _, room = length_bounds(options, first)
    rules = definition.rules_for(options, first, ())
    before = [rule for rule in rules if not isinstance(rule, definition.CUTS)]
    last = [rule for rule in rules if isinstance(rule, definition.CUTS)]
    pad = listed(options.pad_token_id)[0] if listed(options.pad_token_id) else 0
    own = [_calling(xp, processor, pad) for processor in processors]
    return [*applied(xp, before, room, sources), *own, *applied(xp, last, room)]


def _calling(xp: Arrays, processor: Processor, pad: int) -> Rule:
    """A caller's processor as a rule: it sees the whole room, and `pad` where prompts are padding."""
    return lambda writing, scores: processor(
        xp.where(writing.ids == NO_TOKEN, pad, writing.ids), scores, writing.length
    )


def reads_sources(options: GenerationConfig) -> bool:
    """Whether a rule reads the sources."""
    return options.encoder_no_repeat_ngram_size > 0 or options.encoder_repetition_penalty != 1


def _without_ids(cut: cuts.Cut) -> Rule:
    return lambda writing, scores: cut(scores)


def packed(xp: Arrays, ids: Array, mask: Array | None) -> Array:
    """The ids of all sources without their padding: NO_TOKEN behind them. Shapes: ids, mask (b, s) -> (b, s)."""
    if mask is None:
        return ids
    hidden = mask == 0
    order = xp.argsort(xp.cast(hidden, "int32"))  # stable: what is seen keeps its order
    return xp.where(xp.take(hidden, order), NO_TOKEN, xp.take(ids, order))


# ---- about the length ------------------------------------------------------------------------------------------------


def is_at(writing: Writing, place: int) -> Any:
    """Whether so much is written: a bool where that is known beforehand."""
    if isinstance(writing.length, int):
        return writing.length == place
    return writing.length == place if place > writing.first else False


def is_below(writing: Writing, place: int) -> Any:
    """Whether less is written: a bool where that is known beforehand."""
    if isinstance(writing.length, int):
        return writing.length < place
    return writing.length < place if place > writing.first + 1 else False


def chosen(xp: Arrays, applies: Any, changed: Callable[[], Array], scores: Array) -> Array:
    """What was changed where that applies, else the scores as they were."""
    if isinstance(applies, bool):
        return changed() if applies else scores
    return xp.where(applies, changed(), scores)


# ---- rules -----------------------------------------------------------------------------------------------------------


def sequence_bias(xp: Arrays, rule: definition.SequenceBias, about: About) -> Rule:
    amounts = dict(rule.biases)
    lifted = sorted({sequence[-1] for sequence in amounts})
    groups = [
        (words, xp.asarray([lifted.index(word[-1]) for word in words], "int32"), [amounts[word] for word in words])
        for words in _by_length([*amounts])
    ]

    def lift(writing: Writing, scores: Array) -> Array:
        count = xp.shape(scores)[0]
        bias = xp.full((count, len(lifted)), 0.0, "float32")
        for words, places, amount in groups:
            begun = xp.where(_begun(xp, writing, words), xp.asarray(amount, "float32"), 0.0)
            bias = xp.add(bias, xp.broadcast_to(places, (count, len(words))), begun)
        columns = xp.broadcast_to(xp.asarray(lifted, "int32"), (count, len(lifted)))
        return xp.put(scores, columns, xp.take(scores, columns) + bias)

    return lift


def source_repetition_bonus(xp: Arrays, rule: definition.SourceRepetitionBonus, about: About) -> Rule:
    sources = _sources(rule, about)

    def lift(writing: Writing, scores: Array) -> Array:
        # Counting a token twice changes nothing.
        tokens = _of_rows(xp, xp.where(sources == NO_TOKEN, sources[:, :1], sources), writing.copies)
        places = xp.maximum(tokens, 0)
        written = xp.take(scores, places)
        lifted = xp.where(tokens == NO_TOKEN, written, _lowered(xp, written, 1 / rule.penalty))  # of an empty source
        return xp.put(scores, places, lifted)

    return lift


def _sources(rule: Any, about: About) -> Array:
    if about.sources is None:
        raise OptionError(f"`{rule.setting}` reads the ids of the sources. Pass `input_ids` as well, or leave it out.")
    return about.sources


def _of_rows(xp: Arrays, values: Array, copies: int) -> Array:
    """What belongs to each source, for each of its rows: (b, k) -> (b · copies, k)."""
    if copies == 1:
        return values
    shape = xp.shape(values)
    return xp.reshape(xp.broadcast_to(values[:, None], (shape[0], copies, shape[1])), (shape[0] * copies, shape[1]))


def _lowered(xp: Arrays, scores: Array, penalty: float) -> Array:
    factor = float(np.float32(penalty))
    return xp.where(scores < 0, scores * factor, scores / factor)


def repetition_penalty(xp: Arrays, rule: definition.RepetitionPenalty, about: About) -> Rule:
    def penalize(writing: Writing, scores: Array) -> Array:
        ids = writing.ids
        there = (xp.arange(about.room) < writing.length) & (ids != NO_TOKEN)
        ids = xp.where(there, ids, xp.columns(ids, writing.length - 1, 1))  # counting a token twice changes nothing
        return xp.put(scores, ids, _lowered(xp, xp.take(scores, ids), rule.penalty))

    return penalize


def no_repeat_ngram(xp: Arrays, rule: definition.NoRepeatNgram, about: About) -> Rule:
    size, windows = rule.size, about.room - rule.size + 1

    def ban(writing: Writing, scores: Array) -> Array:
        if windows < 1:
            return scores
        ids = writing.ids
        begun = xp.columns(ids, writing.length - size + 1, size - 1)
        last = ids[:, size - 1 :]
        completes = (xp.arange(windows) + size <= writing.length) & (last != NO_TOKEN)
        for place in range(size - 1):
            completes = completes & (ids[:, place : place + windows] == begun[:, place : place + 1])
        return xp.ban(scores, xp.maximum(last, 0), completes)

    return ban


def no_source_ngram(xp: Arrays, rule: definition.NoSourceNgram, about: About) -> Rule:
    sources, size = _sources(rule, about), rule.size
    windows = xp.shape(sources)[1] - size + 1
    windows = max(windows, 0) if isinstance(windows, int) else xp.maximum(windows, 0)

    def ban(writing: Writing, scores: Array) -> Array:
        known = is_below(writing, size - 1)
        if known is True or about.room < size:
            return scores
        begun = xp.columns(writing.ids, writing.length - size + 1, size - 1)
        last = _of_rows(xp, sources[:, size - 1 :], writing.copies)
        completes = last != NO_TOKEN
        if known is not False:
            completes = completes & (writing.length >= size - 1)
        for place in range(size - 1):
            tokens = _of_rows(xp, sources[:, place : place + windows], writing.copies)
            completes = completes & (tokens == begun[:, place : place + 1])
        return xp.ban(scores, xp.maximum(last, 0), completes)

    return ban


def bad_words(xp: Arrays, rule: definition.BadWords, about: About) -> Rule:
    groups = _by_length(rule.words)

    def ban(writing: Writing, scores: Array) -> Array:
        count = xp.shape(scores)[0]
        for words in groups:
            last = xp.asarray([word[-1] for word in words], "int32")
            begun = xp.broadcast_to(_begun(xp, writing, words), (count, len(words)))
            scores = xp.ban(scores, xp.broadcast_to(last, (count, len(words))), begun)
        return scores

    return ban


def _by_length(words: Sequence[tuple[int, ...]]) -> list[list[tuple[int, ...]]]:
    """Words of equal lengths together."""
    groups: dict[int, list[tuple[int, ...]]] = defaultdict(list)
    for word in words:
        groups[len(word)].append(word)
    return [*groups.values()]


def _begun(xp: Arrays, writing: Writing, words: Sequence[tuple[int, ...]]) -> Array:
    """Which of `words`, all of one length, each row would complete with their last token; (r, len(words))."""
    known, room = len(words[0]) - 1, writing.ids.shape[1]
    begun = xp.full((xp.shape(writing.ids)[0], len(words)), known <= room, "bool")
    if known == 0 or known > room:
        return begun
    ends = xp.columns(writing.ids, writing.length - known, known)
    starts = xp.asarray([word[:-1] for word in words], "int32")
    for place in range(known):
        begun = begun & (ends[:, place : place + 1] == starts[None, :, place])
    return begun & (writing.length >= known)


def min_length(xp: Arrays, rule: definition.MinLength, about: About) -> Rule:
    return _banned_if(xp, rule.eos, lambda writing: is_below(writing, rule.length))


def suppress_tokens(xp: Arrays, rule: definition.SuppressTokens, about: About) -> Rule:
    return _banned_if(xp, rule.tokens, lambda writing: True)


def suppress_tokens_at_start(xp: Arrays, rule: definition.SuppressTokensAtStart, about: About) -> Rule:
    return _banned_if(xp, rule.tokens, lambda writing: is_at(writing, rule.length))


def _banned_if(xp: Arrays, tokens: Sequence[int], applies: Callable[[Writing], Any]) -> Rule:
    def ban(writing: Writing, scores: Array) -> Array:
        is_banned = _one_of(xp, tokens, scores)
        condition = applies(writing)
        if isinstance(condition, bool):
            return xp.where(is_banned, IMPOSSIBLE, scores) if condition else scores
        return xp.where(is_banned & condition, IMPOSSIBLE, scores)

    return ban


def _one_of(xp: Arrays, tokens: Sequence[int], scores: Array) -> Array:
    """Which of the vocabulary are `tokens`, (1, v)."""
    mask = np.zeros((1, scores.shape[1]), dtype=bool)
    mask[:, list(tokens)] = True
    return xp.asarray(mask, "bool")


def forced_start(xp: Arrays, rule: definition.ForcedStart, about: About) -> Rule:
    return _forced_if(xp, (rule.token,), lambda writing: is_at(writing, 1))


def forced_end(xp: Arrays, rule: definition.ForcedEnd, about: About) -> Rule:
    return _forced_if(xp, rule.tokens, lambda writing: is_at(writing, rule.max_length - 1))


def _forced_if(xp: Arrays, tokens: Sequence[int], applies: Callable[[Writing], Any]) -> Rule:
    def force(writing: Writing, scores: Array) -> Array:
        def forced() -> Array:
            return xp.broadcast_to(xp.where(_one_of(xp, tokens, scores), 0.0, _impossible(xp)), xp.shape(scores))

        return chosen(xp, applies(writing), forced, scores)

    return force


def _impossible(xp: Arrays) -> Array:
    return xp.full((), IMPOSSIBLE, "float32")


def forced_tokens(xp: Arrays, rule: definition.ForcedTokens, about: About) -> Rule:
    functions = [_forced_if(xp, (token,), partial(is_at, place=place)) for place, token in dict(rule.places).items()]

    def force(writing: Writing, scores: Array) -> Array:
        for function in functions:
            scores = function(writing, scores)
        return scores

    return force


def remove_invalid(xp: Arrays, rule: definition.RemoveInvalid, about: About) -> Rule:
    bounds = np.finfo(np.float32)

    def remove(writing: Writing, scores: Array) -> Array:
        numbers = xp.where(xp.isnan(scores), 0.0, scores)
        return xp.minimum(xp.maximum(numbers, float(bounds.min)), float(bounds.max))

    return remove


def growing_end(xp: Arrays, rule: definition.GrowingEnd, about: About) -> Rule:
    bounds = np.finfo(np.float32)
    table = np.array([rule.growth(length) for length in range(about.room + 1)], dtype=np.float32)

    def grow(writing: Writing, scores: Array) -> Array:
        growth = xp.columns(xp.asarray(table[None], "float32"), writing.length, 1)
        columns = xp.broadcast_to(xp.asarray(rule.eos, "int32"), (xp.shape(scores)[0], len(rule.eos)))
        ends = xp.take(scores, columns)
        gained = xp.abs(xp.where(ends > float(bounds.min), ends, 0.0)) * growth
        return xp.put(scores, columns, xp.minimum(ends + gained, float(bounds.max)))

    return grow


TRANSLATIONS: dict[type, Callable[[Arrays, Any, About], Rule]] = {
    definition.SequenceBias: sequence_bias,
    definition.SourceRepetitionBonus: source_repetition_bonus,
    definition.RepetitionPenalty: repetition_penalty,
    definition.NoRepeatNgram: no_repeat_ngram,
    definition.NoSourceNgram: no_source_ngram,
    definition.BadWords: bad_words,
    definition.MinLength: min_length,
    definition.ForcedStart: forced_start,
    definition.ForcedEnd: forced_end,
    definition.RemoveInvalid: remove_invalid,
    definition.GrowingEnd: growing_end,
    definition.SuppressTokens: suppress_tokens,
    definition.SuppressTokensAtStart: suppress_tokens_at_start,
    definition.ForcedTokens: forced_tokens,
}
