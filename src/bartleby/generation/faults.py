"""What is wrong with decoding options: each alone, all together, and for an implementation; and what has no effect."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from bartleby.errors import OptionError
from bartleby.generation.later import LATER, Implementation
from bartleby.generation.options import CHECKS, DEFAULTS, Options, biases, listed, unknown_option

TOKEN_OPTIONS = (
    "suppress_tokens",
    "begin_suppress_tokens",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "eos_token_id",
    "decoder_start_token_id",
)
LOWEST_TEMPERATURE = 1e-9
SAMPLING_ONLY = ("temperature", "top_k", "top_p", "min_p", "top_h", "typical_p", "epsilon_cutoff", "eta_cutoff")
BEAMS_ONLY = ("early_stopping", "length_penalty")
EXTRA_OUTPUTS = ("output_attentions", "output_hidden_states", "output_scores", "output_logits")
CACHES_ONLY = ("cache_implementation", "cache_config")


def value_faults(options: Options) -> list[str]:
    """What is wrong with single options."""
    values = {name: (check, getattr(options, name)) for name, check in CHECKS.items() if check is not None}
    found = [
        check.fault(name, value)
        for name, (check, value) in values.items()
        if value is not None or DEFAULTS[name] is not None
    ]
    return [fault for fault in found if fault is not None]


def contradictions(options: Options) -> list[str]:
    """What is wrong between options that are each right."""
    return [
        *_between_lengths(options),
        *_between_counts(options),
        *_between_groups(options),
        *_between_searches(options),
        *_between_tokens(options),
    ]


def _between_lengths(options: Options) -> Iterator[str]:
    if options.max_new_tokens is None and options.min_new_tokens is None and options.min_length > options.max_length:
        yield (
            f"`min_length` must be at most `max_length` ({options.max_length}), but is {options.min_length}. "
            "Lower it or raise `max_length`."
        )
    if (
        options.min_new_tokens is not None
        and options.max_new_tokens is not None
        and options.min_new_tokens > options.max_new_tokens
    ):
        yield (
            f"`min_new_tokens` must be at most `max_new_tokens` ({options.max_new_tokens}), "
            f"but is {options.min_new_tokens}. Lower it or raise `max_new_tokens`."
        )


def _between_counts(options: Options) -> Iterator[str]:
    if options.do_sample and options.temperature < LOWEST_TEMPERATURE:
        yield (
            f"`temperature` must be at least {LOWEST_TEMPERATURE:g} with `do_sample`, but is {options.temperature}. "
            "For the best token always, set `do_sample=False`."
        )
    if not options.do_sample and options.num_return_sequences > options.num_beams:
        yield (
            f"`num_return_sequences` must be at most `num_beams` ({options.num_beams}) unless `do_sample` is True, "
            f"but is {options.num_return_sequences}. There are not that many different results."
        )
    if options.do_sample and options.num_return_sequences > options.num_beams > 1:
        yield (
            f"`num_return_sequences` must be at most `num_beams` ({options.num_beams}) or `num_beams` 1, "
            f"but is {options.num_return_sequences}."
        )


def _between_groups(options: Options) -> Iterator[str]:
    groups, penalty = options.num_beam_groups, options.diversity_penalty
    if groups == 1 and penalty > 0:
        yield f"`diversity_penalty` must be 0 without groups to set apart, but is {penalty}. Set `num_beam_groups`."
    if groups == 1:
        return
    if options.num_beams % groups != 0:
        yield f"`num_beams` must be a multiple of `num_beam_groups` ({groups}), but is {options.num_beams}."
    if penalty == 0:
        yield "`diversity_penalty` must be above 0 with `num_beam_groups`, but is 0: all groups would write the same."
    if options.do_sample:
        yield "`do_sample` must be False with `num_beam_groups`, but is True."


def _between_searches(options: Options) -> Iterator[str]:
    for name in ("constraints", "force_words_ids"):
        if getattr(options, name) is None:
            continue
        if options.num_beams == 1:
            yield f"`num_beams` must be at least 2 with `{name}`, but is 1: what is forced needs beams to wait in."
        if options.do_sample:
            yield f"`do_sample` must be False with `{name}`, but is True."
        if options.num_beam_groups > 1:
            yield f"`num_beam_groups` must be 1 with `{name}`, but is {options.num_beam_groups}."
    if options.prompt_lookup_num_tokens is not None and options.num_beams > 1:
        yield f"`num_beams` must be 1 with `prompt_lookup_num_tokens`, but is {options.num_beams}."
    if options.prompt_lookup_num_tokens is not None and options.penalty_alpha and not options.do_sample:
        yield (
            f"`penalty_alpha` must be None with `prompt_lookup_num_tokens`, but is {options.penalty_alpha}: "
            "contrastive search must read every candidate anyway."
        )


def _between_tokens(options: Options) -> Iterator[str]:
    for name in ("forced_bos_token_id", "forced_eos_token_id"):
        tokens = set(listed(getattr(options, name)))
        if tokens and tokens <= set(options.suppress_tokens or ()):
            yield f"`{name}` must not be all in `suppress_tokens`, but is: nothing could be written there."


def vocabulary_faults(options: Options, vocab_size: int) -> Iterator[str]:
    """Which tokens lie outside a vocabulary of this size."""
    tokens: dict[str, Iterable[int]] = {name: listed(getattr(options, name)) for name in TOKEN_OPTIONS}
    tokens["bad_words_ids"] = [token for word in options.bad_words_ids or () for token in word]
    tokens["sequence_bias"] = [token for sequence in biases(options.sequence_bias) for token in sequence]
    words = [word if isinstance(word[0], list | tuple) else [word] for word in options.force_words_ids or ()]
    tokens["force_words_ids"] = [token for phrases in words for phrase in phrases for token in phrase]
    tokens["forced_decoder_ids"] = [token for _, token in options.forced_decoder_ids or () if token is not None]
    for name, ids in tokens.items():
        lowest = -1 if name == "eos_token_id" else 0  # no token is -1, so that nothing ends
        outside = [token for token in ids if not lowest <= token < vocab_size]
        if outside:
            yield f"`{name}` must hold token ids from 0 to {vocab_size - 1}, but has {outside}."


@dataclass(frozen=True)
class Refused:
    """Why an implementation does not carry out an option."""

    reason: str


def support(option: str, implementation: Implementation) -> Literal["yes", "callback"] | Refused:
    """Whether `implementation` carries out `option`: itself, through a callback into Python, or not and why.

    Raises: OptionError if there is no such option.
    """
    if option not in DEFAULTS:
        raise OptionError(unknown_option(option))
    reason = LATER.get(option, {}).get(implementation)
    return "yes" if reason is None else Refused(reason)


def refusals(options: Options, implementation: Implementation) -> Iterator[str]:
    """Why `implementation` cannot decode with these options, now that none will be added."""
    for name, default in DEFAULTS.items():
        value, answer = getattr(options, name), support(name, implementation)
        if isinstance(answer, Refused) and is_set(name, value):
            yield f"`{name}` must be {default!r}, but is {value!r}: {answer.reason}."
    if options.exponential_decay_length_penalty is not None and max(listed(options.eos_token_id), default=-1) < 0:
        yield "`eos_token_id` must be a token with `exponential_decay_length_penalty`, which favours it, but is none."


def is_set(name: str, value: Any) -> bool:
    """Whether an option says anything but its default."""
    default = DEFAULTS[name]
    # Only plain values are compared: arrays, for one, do not answer with a bool.
    return not (value is default or (isinstance(value, bool | int | float | str | dict) and value == default))


def idle(options: Options, names: Collection[str] | None = None) -> dict[str, str]:
    """Which of the options `names`, of all when None, are set but have no effect beside the others, and why."""
    return {
        name: f"`{name}` has no effect {reason} or leave it out."
        for name, reason in _idle_reasons(options).items()
        if (names is None or name in names) and is_set(name, getattr(options, name))
    }


def _idle_reasons(options: Options) -> dict[str, str]:
    """The options that have no effect whatever they are."""
    reasons: dict[str, str] = {}
    if not options.do_sample:
        reasons |= dict.fromkeys(SAMPLING_ONLY, "without sampling. Set `do_sample=True`")
    if options.penalty_alpha:
        reasons.pop("top_k", None)  # contrastive search chooses among as many
    if options.num_beams == 1:
        reasons |= dict.fromkeys(BEAMS_ONLY, "without beams. Set `num_beams` above 1")
    if options.num_beams > 1 or options.do_sample:
        reasons["penalty_alpha"] = "with beams or sampling. Set `num_beams=1` and `do_sample=False`"
    if not options.penalty_alpha or "penalty_alpha" in reasons:
        reasons["low_memory"] = "without contrastive search. Set `penalty_alpha`"
    if options.prompt_lookup_num_tokens is None:
        reasons["max_matching_ngram_size"] = "without looking up. Set `prompt_lookup_num_tokens`"
    if not options.return_dict_in_generate:
        reasons |= dict.fromkeys(EXTRA_OUTPUTS, "without a place to return it in. Set `return_dict_in_generate=True`")
    if not options.use_cache:
        reasons |= dict.fromkeys(CACHES_ONLY, "without a cache. Set `use_cache=True`")
    return reasons
