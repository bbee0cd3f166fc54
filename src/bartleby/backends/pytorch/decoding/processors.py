"""The published logits processors: token rules as objects that a caller builds, lists and passes to `generate`.

Each is a shell around a rule of generation/rules.py, with the published arguments; it gives new scores and leaves those
it was given alone. Processors that cut for sampling stand in `warpers.py`. A caller's own may be any callable with
(input_ids, scores).
Shapes of every call: input_ids (r, t) int, scores (r, v) float -> (r, v).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bartleby.backends.pytorch.decoding import rules as translation
from bartleby.errors import OptionError, ShapeError, VocabularyError, raise_all
from bartleby.family.fields import is_number, is_whole
from bartleby.generation import rules as definition
from bartleby.generation.kinds import is_ids, is_words
from bartleby.generation.options import CHECKS, biases

Tokens = int | Sequence[int] | Tensor


class LogitsProcessor:
    """What changes the scores of the next token. Subclasses say how in `__call__`."""

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} must say in `__call__` what it does with scores.")


class LogitsWarper(LogitsProcessor):
    """A processor that is meant for sampling; 4.x sets these apart."""


class LogitsProcessorList(list[Any]):
    """Processors that run one after the other."""

    def __call__(self, input_ids: Tensor, scores: Tensor, **kwargs: Any) -> Tensor:
        """The scores after all of them; a processor that asks for more than ids and scores gets it from `kwargs`.

        Raises: OptionError if it is not there.
        """
        for processor in self:
            scores = processor(input_ids, scores, **asked(processor, kwargs))
        return scores


def asked(processor: Callable[..., Tensor], given: Mapping[str, Any]) -> dict[str, Any]:
    """The keywords a processor takes, of those given."""
    parameters = list(inspect.signature(processor).parameters.values())[2:]
    if any(each.kind is each.VAR_KEYWORD for each in parameters):
        return dict(given)
    named = [each for each in parameters if each.kind is not each.VAR_POSITIONAL]
    missing = [each.name for each in named if each.default is each.empty and each.name not in given]
    faults = [f"`{name}` must be given, for {processor!r} asks for it." for name in missing]
    raise_all(OptionError, faults, "LogitsProcessorList")
    return {each.name: given[each.name] for each in named if each.name in given}


class RuleProcessor(LogitsProcessor):
    """A processor that does what a rule of the definition says."""

    def __init__(self, rule: definition.Rule | definition.SourceRule) -> None:
        self.rule = rule
        self._translated: dict[torch.device, translation.Rule] = {}

    @property
    def setting(self) -> str:
        """The decoding option that does the same."""
        return self.rule.setting

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        return self._apply(input_ids, scores)

    def _apply(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        if scores.device not in self._translated:
            (self._translated[scores.device],) = translation.applied([self.rule], scores.device)
        return self._translated[scores.device](input_ids, scores.clone(), self._sources(input_ids))

    def _sources(self, input_ids: Tensor) -> Tensor:
        """Which source each row answers, for rules that ask; (r,)."""
        return input_ids.new_zeros(len(input_ids))

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_translated": {}}  # made again for the device it is used on


class MinLengthLogitsProcessor(RuleProcessor):
    """No end before the whole text has `min_length` tokens."""

    def __init__(self, min_length: int, eos_token_id: Tokens, device: Any = "cpu") -> None:
        check("min_length", min_length, "a whole number of at least 0", is_count)
        self.min_length, self.eos_token_id = min_length, end_tokens(eos_token_id)
        super().__init__(definition.MinLength(min_length, self.eos_token_id))


class MinNewTokensLengthLogitsProcessor(RuleProcessor):
    """No end before `min_new_tokens` tokens follow the first `prompt_length_to_skip`."""

    def __init__(
        self, prompt_length_to_skip: int, min_new_tokens: int, eos_token_id: Tokens, device: Any = "cpu"
    ) -> None:
        check("prompt_length_to_skip", prompt_length_to_skip, "a whole number of at least 0", is_count)
        check("min_new_tokens", min_new_tokens, "a whole number of at least 0", is_count)
        self.prompt_length_to_skip, self.min_new_tokens = prompt_length_to_skip, min_new_tokens
        self.eos_token_id = end_tokens(eos_token_id)
        least = prompt_length_to_skip + min_new_tokens
        super().__init__(definition.MinLength(least, self.eos_token_id, "min_new_tokens"))


class RepetitionPenaltyLogitsProcessor(RuleProcessor):
    """What was written before is less likely; the first `prompt_ignore_length` tokens, of all rows or of each, are not
    counted.
    """

    def __init__(self, penalty: float, prompt_ignore_length: int | Tensor | None = None) -> None:
        check("penalty", penalty, "a number above 0", is_positive_number)
        if isinstance(prompt_ignore_length, Tensor):
            if prompt_ignore_length.dim() != 1:
                raise ShapeError(f"`prompt_ignore_length` must be 1-D, but is {tuple(prompt_ignore_length.shape)}.")
        elif prompt_ignore_length is not None:
            check("prompt_ignore_length", prompt_ignore_length, "a whole number of at least 0", is_count)
        self.penalty, self.prompt_ignore_length = penalty, prompt_ignore_length
        super().__init__(definition.RepetitionPenalty(penalty))

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        ignored = self.prompt_ignore_length
        if ignored is None:
            return self._apply(input_ids, scores)
        if isinstance(ignored, Tensor):
            if len(ignored) != len(input_ids):
                raise ShapeError(f"`prompt_ignore_length` must be of {len(input_ids)} rows, but is of {len(ignored)}.")
            ignored = ignored.to(input_ids.device)[:, None]
        is_ignored = torch.arange(input_ids.shape[1], device=input_ids.device)[None] < ignored
        counted = input_ids.masked_fill(is_ignored, translation.NO_TOKEN)
        counted[:, -1] = input_ids[:, -1]  # the rule asks for one token at least …
        return torch.where(is_ignored[:, -1:], scores, self._apply(counted, scores))  # … which is taken back here


class SourceProcessor(RuleProcessor):
    """A processor about the source texts: rows that answer one source stand together."""

    def __init__(self, rule: definition.SourceRule, count: int) -> None:
        super().__init__(rule)
        self.batch_size = count

    def _sources(self, input_ids: Tensor) -> Tensor:
        if len(input_ids) % self.batch_size:
            raise ShapeError(f"`input_ids` must have rows for {self.batch_size} sources, but has {len(input_ids)}.")
        each = len(input_ids) // self.batch_size
        return torch.arange(len(input_ids), device=input_ids.device) // each


def _texts(encoder_input_ids: Tensor) -> tuple[definition.Ids, ...]:
    """The rows of the sources' ids. Padding counts as text, as it does in the published classes."""
    rows = encoder_input_ids[None] if encoder_input_ids.dim() == 1 else encoder_input_ids
    return tuple(rows.detach().cpu().numpy().astype(np.int64))


class EncoderRepetitionPenaltyLogitsProcessor(SourceProcessor):
    """What stands in the source is more likely."""

    def __init__(self, penalty: float, encoder_input_ids: Tensor) -> None:
        check("penalty", penalty, "a number above 0", is_positive_number)
        texts = _texts(encoder_input_ids)
        self.penalty, self.encoder_input_ids = 1 / penalty, encoder_input_ids
        super().__init__(definition.SourceRepetitionBonus(penalty, texts), len(texts))


class NoRepeatNGramLogitsProcessor(RuleProcessor):
    """No n-gram is written twice."""

    def __init__(self, ngram_size: int) -> None:
        check("ngram_size", ngram_size, "a whole number of at least 1", is_positive)
        self.ngram_size = ngram_size
        super().__init__(definition.NoRepeatNgram(ngram_size))


class EncoderNoRepeatNGramLogitsProcessor(SourceProcessor):
    """No n-gram of the source is written."""

    def __init__(self, encoder_ngram_size: int, encoder_input_ids: Tensor) -> None:
        check("encoder_ngram_size", encoder_ngram_size, "a whole number of at least 1", is_positive)
        texts = _texts(encoder_input_ids)
        self.ngram_size = encoder_ngram_size
        super().__init__(definition.NoSourceNgram(encoder_ngram_size, texts), len(texts))


class WordsProcessor(RuleProcessor):
    """A processor about sequences of tokens, which must lie in the vocabulary."""

    words: Sequence[Sequence[int]] = ()

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        outside = sorted({token for word in self.words for token in word if token >= scores.shape[1]})
        if outside:
            raise VocabularyError(f"Token ids must be from 0 to {scores.shape[1] - 1}, but there are {outside}.")
        return self._apply(input_ids, scores)


class SequenceBiasLogitsProcessor(WordsProcessor):
    """The last token of each sequence gains its bias where the others stand before it; a dictionary by tuples of ids,
    or a list of pairs [ids, bias].
    """

    def __init__(self, sequence_bias: Mapping[tuple[int, ...], float] | Sequence[Any]) -> None:
        check_option("sequence_bias", sequence_bias)
        self.sequence_bias = biases(sequence_bias)
        self.words = tuple(self.sequence_bias)
        super().__init__(definition.SequenceBias(tuple(self.sequence_bias.items())))


class NoBadWordsLogitsProcessor(WordsProcessor):
    """None of these sequences is written; end tokens on their own stay allowed."""

    def __init__(self, bad_words_ids: Sequence[Sequence[int]], eos_token_id: Tokens | None = None) -> None:
        check("bad_words_ids", bad_words_ids, "a list of lists of token ids, none of them empty", is_words)
        ends = {(token,) for token in ([] if eos_token_id is None else end_tokens(eos_token_id))}
        self.bad_word_ids = bad_words_ids
        words = tuple(word for word in map(tuple, bad_words_ids) if word not in ends)
        self.words = words
        super().__init__(definition.BadWords(words))


class PrefixConstrainedLogitsProcessor(RuleProcessor):
    """Only what `prefix_allowed_tokens_fn(batch_id, ids)` returns comes next; each source has `num_beams` rows."""

    def __init__(self, prefix_allowed_tokens_fn: Callable[[int, Tensor], Sequence[int]], num_beams: int) -> None:
        check("num_beams", num_beams, "a whole number of at least 1", is_positive)
        self.num_beams = num_beams
        super().__init__(definition.OnlyAllowed(prefix_allowed_tokens_fn))

    def _sources(self, input_ids: Tensor) -> Tensor:
        return torch.arange(len(input_ids), device=input_ids.device) // self.num_beams


class HammingDiversityLogitsProcessor(LogitsProcessor):
    """A group of beams likes a token less for each beam of an earlier group of its source that has just written it.

    Source: Vijayakumar et al. 2016 (arXiv 1610.02424), section 4; only in 4.x.
    """

    def __init__(self, diversity_penalty: float, num_beams: int, num_beam_groups: int) -> None:
        check("diversity_penalty", diversity_penalty, "a number above 0", is_positive_number)
        check("num_beams", num_beams, "a whole number of at least 2", lambda value: is_whole(value) and value >= 2)
        wanted = f"a whole number from 2 to `num_beams` ({num_beams})"
        check("num_beam_groups", num_beam_groups, wanted, lambda value: is_whole(value) and 2 <= value <= num_beams)
        self.diversity_penalty, self.num_beams = diversity_penalty, num_beams
        self.group_size = num_beams // num_beam_groups

    def __call__(  # type: ignore[override]  # published: this one also asks what the groups before it wrote
        self, input_ids: Tensor, scores: Tensor, current_tokens: Tensor, beam_group_idx: int
    ) -> Tensor:
        """Shapes: current_tokens (b · num_beams,), scores (b · rows of the group, v) -> as scores."""
        before = current_tokens.view(-1, self.num_beams)[:, : beam_group_idx * self.group_size]
        if before.shape[1] == 0:
            return scores
        used = F.one_hot(before, scores.shape[1]).sum(dim=1)  # (b, v)
        return scores - self.diversity_penalty * used.repeat_interleave(len(scores) // len(used), dim=0)


class ForcedBOSTokenLogitsProcessor(RuleProcessor):
    """The one token after the start token is `bos_token_id`."""

    def __init__(self, bos_token_id: int) -> None:
        (self.bos_token_id,) = token_list("bos_token_id", bos_token_id)
        super().__init__(definition.ForcedStart(self.bos_token_id))


class ForcedEOSTokenLogitsProcessor(RuleProcessor):
    """The last token that fits into `max_length` is an end token."""

    def __init__(self, max_length: int, eos_token_id: Tokens, device: Any = "cpu") -> None:
        check("max_length", max_length, "a whole number of at least 1", is_positive)
        self.max_length, self.eos_token_id = max_length, token_list("eos_token_id", eos_token_id)
        super().__init__(definition.ForcedEnd(max_length, self.eos_token_id))


class InfNanRemoveLogitsProcessor(RuleProcessor):
    """No score is infinite or not a number."""

    def __init__(self) -> None:
        super().__init__(definition.RemoveInvalid())


class ExponentialDecayLengthPenalty(RuleProcessor):
    """The end grows likelier with every token from a start on: (start, factor)."""

    def __init__(
        self, exponential_decay_length_penalty: tuple[int, float], eos_token_id: Tokens, input_ids_seq_length: int
    ) -> None:
        check_option("exponential_decay_length_penalty", exponential_decay_length_penalty)
        start, self.regulation_factor = exponential_decay_length_penalty
        self.regulation_start = start + input_ids_seq_length
        self.eos_token_id = token_list("eos_token_id", eos_token_id)
        super().__init__(definition.GrowingEnd(self.regulation_start, self.regulation_factor, self.eos_token_id))


class SuppressTokensLogitsProcessor(RuleProcessor):
    """These tokens are never written."""

    def __init__(self, suppress_tokens: Sequence[int] | Tensor, device: Any = "cpu") -> None:
        self.suppress_tokens = token_list("suppress_tokens", suppress_tokens)
        super().__init__(definition.SuppressTokens(self.suppress_tokens))


class SuppressTokensAtBeginLogitsProcessor(RuleProcessor):
    """These tokens are not written at place `begin_index`."""

    def __init__(self, begin_suppress_tokens: Sequence[int] | Tensor, begin_index: int, device: Any = "cpu") -> None:
        self.begin_suppress_tokens = token_list("begin_suppress_tokens", begin_suppress_tokens)
        self.set_begin_index(begin_index)

    def set_begin_index(self, begin_index: int) -> None:
        """Forbid them at another place."""
        check("begin_index", begin_index, "a whole number of at least 0", is_count)
        self.begin_index = begin_index
        super().__init__(definition.SuppressTokensAtStart(self.begin_suppress_tokens, begin_index))


class ForceTokensLogitsProcessor(RuleProcessor):
    """At each place stands its token: pairs [place, token]. Only in 4.x."""

    def __init__(self, force_token_map: Sequence[Any], _has_warned: bool | None = False) -> None:
        check_option("forced_decoder_ids", force_token_map)
        self.force_token_map: dict[int, int | None] = dict(force_token_map)
        forced = [(place, token) for place, token in self.force_token_map.items() if token is not None]
        super().__init__(definition.ForcedTokens(tuple(forced)))


def check(name: str, value: Any, wanted: str, accepts: Callable[[Any], bool]) -> None:
    """Raises: OptionError if an argument is not what it must be."""
    if not accepts(value):
        raise OptionError(f"`{name}` must be {wanted}, but is {value!r}.")


def check_option(name: str, value: Any) -> None:
    """Raises: OptionError if an argument is not what the decoding option of that name must be."""
    wanted = CHECKS[name]
    assert wanted is not None
    check(name, value, wanted.wanted, wanted.accepts)


def token_list(name: str, tokens: Tokens) -> tuple[int, ...]:
    """One token id or several, as a tuple.

    Raises: OptionError if there is none, or one is negative.
    """
    listed = _as_list(tokens)
    check(name, listed, "a token id or a list of token ids", is_ids)
    return tuple(listed)


def end_tokens(eos_token_id: Tokens) -> tuple[int, ...]:
    """The tokens that end a text; -1 is the published way to say that none does."""
    listed = _as_list(eos_token_id)
    check("eos_token_id", listed, "a token id or a list of token ids", lambda tokens: all(map(is_whole, tokens)))
    return tuple(token for token in listed if token >= 0)


def _as_list(tokens: Any) -> list[Any]:
    if isinstance(tokens, Tensor):
        tokens = tokens.flatten().tolist()
    return [*tokens] if isinstance(tokens, Sequence | set | range) else [tokens]


def is_count(value: Any) -> bool:
    return is_whole(value) and value >= 0


def is_positive(value: Any) -> bool:
    return is_whole(value) and value >= 1


def is_positive_number(value: Any) -> bool:
    return is_number(value) and value > 0
