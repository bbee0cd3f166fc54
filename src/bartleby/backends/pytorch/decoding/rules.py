"""Token rules as tensor operations over all rows at once. Definition: generation/rules.py, rule by rule.

`applied(rules, device)` turns the definition's rules into functions on the device. Each may change the scores it is
given in place: they are a fresh tensor in every step. Nothing here waits for the device.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from bartleby.backends.pytorch.decoding import cuts
from bartleby.backends.pytorch.decoding.cuts import IMPOSSIBLE as IMPOSSIBLE
from bartleby.generation import rules as definition

Rule = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Shapes: ids (r, t), scores (r, v), sources (r,), which source each row answers -> (r, v).

Ids may be NO_TOKEN, except the last of a row.
"""

NO_TOKEN = -1  # in the place of padding; no n-gram is completed by it


def applied(rules: Sequence[definition.Rule | definition.SourceRule], device: torch.device) -> list[Rule]:
    """The functions that do on `device` what `rules` say, in the same order."""
    return [
        _without_ids(cuts.TRANSLATIONS[type(rule)](rule))
        if type(rule) in cuts.TRANSLATIONS
        else TRANSLATIONS[type(rule)](rule, device)
        for rule in rules
    ]


def _without_ids(cut: cuts.Cut) -> Rule:
    return lambda ids, scores, sources: cut(scores)


def sequence_bias(rule: definition.SequenceBias, device: torch.device) -> Rule:
    groups = _by_length([sequence for sequence, _ in rule.biases], device)
    amounts = dict(rule.biases)
    biases = [torch.tensor([amounts[sequence] for sequence in group], device=device) for group, _ in groups]

    def lift(ids: Tensor, scores: Tensor, sources: Tensor) -> Tensor:
        bias = torch.zeros_like(scores)
        for (_, words), amount in zip(groups, biases, strict=True):
            begun = _begun(ids, words)
            if begun is not None:
                bias.index_add_(1, words[:, -1], amount.expand_as(begun).masked_fill(~begun, 0).to(bias.dtype))
        return scores.add_(bias)

    return lift


def source_repetition_bonus(rule: definition.SourceRepetitionBonus, device: torch.device) -> Rule:
    padded = _padded(rule.sources)
    padded = torch.where(padded == NO_TOKEN, padded[:, :1], padded).to(device)  # counting one twice changes nothing

    def lift(ids: Tensor, scores: Tensor, sources: Tensor) -> Tensor:
        tokens = padded[sources]
        written = scores.gather(1, tokens.clamp(min=0))
        lifted = torch.where(tokens == NO_TOKEN, written, _lowered(written, 1 / rule.penalty))  # of an empty source
        return scores.scatter_(1, tokens.clamp(min=0), lifted)

    return lift


def _lowered(scores: Tensor, penalty: float) -> Tensor:
    return torch.where(scores < 0, scores * penalty, scores / penalty)


def repetition_penalty(rule: definition.RepetitionPenalty, device: torch.device) -> Rule:
    def penalize(ids: Tensor, scores: Tensor, sources: Tensor) -> Tensor:
        ids = torch.where(ids == NO_TOKEN, ids[:, -1:], ids)  # counting a token twice changes nothing
        return scores.scatter_(1, ids, _lowered(scores.gather(1, ids), rule.penalty))

    return penalize


def no_repeat_ngram(rule: definition.NoRepeatNgram, device: torch.device) -> Rule:
    def ban(ids: Tensor, scores: Tensor, sources: Tensor) -> Tensor:
        if ids.shape[1] < rule.size:
            return scores
        return _ban_completions(ids, scores, ids.unfold(1, rule.size, 1))  # (r, t) -> (r, t - size + 1, size)

    return ban


def no_source_ngram(rule: definition.NoSourceNgram, device: torch.device) -> Rule:
    padded = _padded(rule.sources)
    if padded.shape[1] < rule.size:
        return lambda ids, scores, sources: scores
    grams = padded.unfold(1, rule.size, 1).to(device)

    def ban(ids: Tensor, scores: Tensor, sources: Tensor) -> Tensor:
        return scores if ids.shape[1] < rule.size - 1 else _ban_completions(ids, scores, grams[sources])

    return ban


def _padded(sources: Sequence[definition.Ids]) -> Tensor:
    """The ids of all sources, with NO_TOKEN behind the shorter ones; (sources, longest)."""
    padded = torch.full((len(sources), max(map(len, sources), default=1) or 1), NO_TOKEN)
    for row, source in zip(padded, sources, strict=True):
        row[: len(source)] = torch.from_numpy(source)
    return padded


def _ban_completions(ids: Tensor, scores: Tensor, grams: Tensor) -> Tensor:
    """No token that completes one of the row's `grams` (r, windows, size)."""
    size = grams.shape[2]
    begun = ids[:, ids.shape[1] - size + 1 :]
    last = grams[:, :, -1]
    completes = (grams[:, :, :-1] == begun[:, None]).all(dim=2) & (last != NO_TOKEN)
    return _ban(scores, last.clamp(min=0), completes)


def _ban(scores: Tensor, tokens: Tensor, banned: Tensor) -> Tensor:
    """Make those of `tokens` (r, w) impossible that are `banned` (r, w): added, because tokens may occur twice."""
    return scores.scatter_add_(1, tokens, torch.zeros_like(tokens, dtype=scores.dtype).masked_fill_(banned, IMPOSSIBLE))


def bad_words(rule: definition.BadWords, device: torch.device) -> Rule:
    groups = _by_length(rule.words, device)

    def ban(ids: Tensor, scores: Tensor, sources: Tensor) -> Tensor:
        for _, words in groups:
            begun = _begun(ids, words)
            if begun is not None:
                scores = _ban(scores, words[:, -1].expand(len(ids), -1), begun)
        return scores

    return ban


def _by_length(words: Sequence[tuple[int, ...]], device: torch.device) -> list[tuple[list[tuple[int, ...]], Tensor]]:
    """Words of equal lengths together, as they are and as a tensor (words, length)."""
    groups: dict[int, list[tuple[int, ...]]] = defaultdict(list)
    for word in words:
        groups[len(word)].append(word)
    return [(group, torch.tensor(group, device=device)) for group in groups.values()]


def _begun(ids: Tensor, words: Tensor) -> Tensor | None:
    """Which of `words` (w, length) each row would complete with their last token, (r, w); None if none could."""
    known = words.shape[1] - 1
    if known > ids.shape[1]:
        return None
    return (words[None, :, :-1] == ids[:, None, ids.shape[1] - known :]).all(dim=2)


def min_length(rule: definition.MinLength, device: torch.device) -> Rule:
    return _banned_if(lambda length: length < rule.length, rule.eos, device)


def only_allowed(rule: definition.OnlyAllowed, device: torch.device) -> Rule:
    """Calls back into Python for every row, and so waits for the device: the price of that option."""

    def restrict(ids: Tensor, scores: Tensor, sources: Tensor) -> Tensor:
        only = torch.full_like(scores, IMPOSSIBLE)
        for row, source in enumerate(sources.tolist()):
            history = ids[row][ids[row] != NO_TOKEN]
            only[row, definition.checked_tokens(rule.allowed(source, history), source, scores.shape[1])] = 0
        both = scores + only
        is_possible = ~both.amax(dim=1).isneginf()  # what is no number may yet become one
        together = sources[:, None] == sources[None, :]  # (r, r): rows of one source
        return torch.where((together & is_possible).any(dim=1, keepdim=True), both, only)

    return restrict


def remove_invalid(rule: definition.RemoveInvalid, device: torch.device) -> Rule:
    return lambda ids, scores, sources: scores.nan_to_num_(nan=0.0)


def growing_end(rule: definition.GrowingEnd, device: torch.device) -> Rule:
    eos = torch.tensor(rule.eos, device=device)

    def grow(ids: Tensor, scores: Tensor, sources: Tensor) -> Tensor:
        growth = rule.growth(ids.shape[1])
        if growth == 0:
            return scores
        ends, bounds = scores[:, eos], torch.finfo(scores.dtype)
        gained = ends.abs().masked_fill(ends <= bounds.min, 0) * growth
        return scores.index_copy_(1, eos, (ends + gained).clamp(max=bounds.max))

    return grow


def suppress_tokens(rule: definition.SuppressTokens, device: torch.device) -> Rule:
    return _banned_if(lambda length: True, rule.tokens, device)


def suppress_tokens_at_start(rule: definition.SuppressTokensAtStart, device: torch.device) -> Rule:
    return _banned_if(lambda length: length == rule.length, rule.tokens, device)


def _banned_if(applies: Callable[[int], bool], tokens: Sequence[int], device: torch.device) -> Rule:
    banned = torch.tensor(tokens, dtype=torch.long, device=device)
    return lambda ids, scores, sources: scores.index_fill_(1, banned, IMPOSSIBLE) if applies(ids.shape[1]) else scores


def forced_start(rule: definition.ForcedStart, device: torch.device) -> Rule:
    return _forced_if(lambda length: length == 1, (rule.token,), device)


def forced_end(rule: definition.ForcedEnd, device: torch.device) -> Rule:
    return _forced_if(lambda length: length == rule.max_length - 1, rule.tokens, device)


def forced_tokens(rule: definition.ForcedTokens, device: torch.device) -> Rule:
    places = {place: torch.tensor([token], device=device) for place, token in rule.places}

    def force(ids: Tensor, scores: Tensor, sources: Tensor) -> Tensor:
        token = places.get(ids.shape[1])
        return scores if token is None else scores.fill_(IMPOSSIBLE).index_fill_(1, token, 0)

    return force


def _forced_if(applies: Callable[[int], bool], tokens: Sequence[int], device: torch.device) -> Rule:
    forced = torch.tensor(tokens, dtype=torch.long, device=device)
    return lambda ids, scores, sources: (
        scores.fill_(IMPOSSIBLE).index_fill_(1, forced, 0) if applies(ids.shape[1]) else scores
    )


TRANSLATIONS: dict[type, Callable[[Any, torch.device], Rule]] = {
    definition.SequenceBias: sequence_bias,
    definition.SourceRepetitionBonus: source_repetition_bonus,
    definition.RepetitionPenalty: repetition_penalty,
    definition.NoRepeatNgram: no_repeat_ngram,
    definition.NoSourceNgram: no_source_ngram,
    definition.BadWords: bad_words,
    definition.MinLength: min_length,
    definition.OnlyAllowed: only_allowed,
    definition.ForcedStart: forced_start,
    definition.ForcedEnd: forced_end,
    definition.RemoveInvalid: remove_invalid,
    definition.GrowingEnd: growing_end,
    definition.SuppressTokens: suppress_tokens,
    definition.SuppressTokensAtStart: suppress_tokens_at_start,
    definition.ForcedTokens: forced_tokens,
}
