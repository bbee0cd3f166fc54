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

from bartleby.generation import rules as definition

Rule = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Shapes: ids (r, t), scores (r, v), sources (r,), which source each row answers -> (r, v).

Ids may be NO_TOKEN, except the last of a row.
"""

IMPOSSIBLE = float("-inf")
NO_TOKEN = -1  # in the place of padding; no n-gram is completed by it


def applied(rules: Sequence[definition.Rule | definition.SourceRule], device: torch.device) -> list[Rule]:
    """The functions that do on `device` what `rules` say, in the same order."""
    return [TRANSLATIONS[type(rule)](rule, device) for rule in rules]


def repetition_penalty(rule: definition.RepetitionPenalty, device: torch.device) -> Rule:
    def penalize(ids: Tensor, scores: Tensor, sources: Tensor) -> Tensor:
        ids = torch.where(ids == NO_TOKEN, ids[:, -1:], ids)  # counting a token twice changes nothing
        written = scores.gather(1, ids)
        lowered = torch.where(written < 0, written * rule.penalty, written / rule.penalty)
        return scores.scatter_(1, ids, lowered)

    return penalize


def no_repeat_ngram(rule: definition.NoRepeatNgram, device: torch.device) -> Rule:
    def ban(ids: Tensor, scores: Tensor, sources: Tensor) -> Tensor:
        if ids.shape[1] < rule.size:
            return scores
        return _ban_completions(ids, scores, ids.unfold(1, rule.size, 1))  # (r, t) -> (r, t - size + 1, size)

    return ban


def no_source_ngram(rule: definition.NoSourceNgram, device: torch.device) -> Rule:
    longest = max(map(len, rule.sources), default=0)
    if longest < rule.size:
        return lambda ids, scores, sources: scores
    padded = torch.full((len(rule.sources), longest), NO_TOKEN)
    for row, source in zip(padded, rule.sources, strict=True):
        row[: len(source)] = torch.from_numpy(source)
    grams = padded.unfold(1, rule.size, 1).to(device)

    def ban(ids: Tensor, scores: Tensor, sources: Tensor) -> Tensor:
        return scores if ids.shape[1] < rule.size - 1 else _ban_completions(ids, scores, grams[sources])

    return ban


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
    by_length: dict[int, list[tuple[int, ...]]] = defaultdict(list)
    for word in rule.words:
        by_length[len(word)].append(word)
    groups = [torch.tensor(words, device=device) for words in by_length.values()]  # (words, length)

    def ban(ids: Tensor, scores: Tensor, sources: Tensor) -> Tensor:
        for words in groups:
            known = words.shape[1] - 1
            if known <= ids.shape[1]:
                begun = ids[:, ids.shape[1] - known :]
                completes = (words[None, :, :-1] == begun[:, None]).all(dim=2)  # (r, words)
                scores = _ban(scores, words[:, -1].expand(len(ids), -1), completes)
        return scores

    return ban


def min_length(rule: definition.MinLength, device: torch.device) -> Rule:
    return _banned_if(lambda length: length < rule.length, rule.eos, device)


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


def _forced_if(applies: Callable[[int], bool], tokens: Sequence[int], device: torch.device) -> Rule:
    forced = torch.tensor(tokens, dtype=torch.long, device=device)
    return lambda ids, scores, sources: (
        scores.fill_(IMPOSSIBLE).index_fill_(1, forced, 0) if applies(ids.shape[1]) else scores
    )


def temperature(rule: definition.Temperature, device: torch.device) -> Rule:
    return lambda ids, scores, sources: scores.div_(rule.temperature)


def top_k(rule: definition.TopK, device: torch.device) -> Rule:
    def cut(ids: Tensor, scores: Tensor, sources: Tensor) -> Tensor:
        count = min(max(rule.count, rule.at_least), scores.shape[1])
        worst_kept = scores.topk(count).values[:, -1:]
        return scores.masked_fill_(scores < worst_kept, IMPOSSIBLE)

    return cut


def top_p(rule: definition.TopP, device: torch.device) -> Rule:
    def cut(ids: Tensor, scores: Tensor, sources: Tensor) -> Tensor:
        ordered, worst_first = scores.sort(dim=1, stable=True)
        dropped = ordered.softmax(dim=1).cumsum(dim=1) <= 1 - rule.share
        dropped[:, -rule.at_least :] = False
        return scores.masked_fill_(dropped.scatter(1, worst_first, dropped), IMPOSSIBLE)

    return cut


TRANSLATIONS: dict[type, Callable[[Any, torch.device], Rule]] = {
    definition.RepetitionPenalty: repetition_penalty,
    definition.NoRepeatNgram: no_repeat_ngram,
    definition.NoSourceNgram: no_source_ngram,
    definition.BadWords: bad_words,
    definition.MinLength: min_length,
    definition.ForcedStart: forced_start,
    definition.ForcedEnd: forced_end,
    definition.SuppressTokens: suppress_tokens,
    definition.SuppressTokensAtStart: suppress_tokens_at_start,
    definition.Temperature: temperature,
    definition.TopK: top_k,
    definition.TopP: top_p,
}
