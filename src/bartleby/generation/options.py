"""Every published decoding option: what it must be, and its default, which is the one that takes effect in 4.37.

The annotation of an option says what its value must be, the value beside it is the default; None stands for it.
Options that are published but not carried out by every implementation have their reasons in `later.py`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, get_args, get_type_hints

from bartleby.family.fields import Check, Count, Flag, Probability, TokenId, TokenIds
from bartleby.generation.kinds import (
    Bias,
    CacheName,
    Compiling,
    Cutoff,
    Decay,
    EarlyStopping,
    Factor,
    Objects,
    Penalty,
    Places,
    Positive,
    Power,
    Schedule,
    Seconds,
    Settings,
    Share,
    Texts,
    TokenList,
    Words,
    WordsOrChoices,
)


class Options:
    """The declarations; `GenerationConfig` is what holds values."""

    # How long; lengths count the whole decoder side, start token included, "new" ones do not
    max_length: Positive = 20
    min_length: Count = 0
    max_new_tokens: Positive | None = None
    min_new_tokens: Count | None = None
    max_time: Seconds | None = None
    stop_strings: Texts | None = None

    # How to choose
    do_sample: Flag = False
    num_beams: Positive = 1
    num_beam_groups: Positive = 1
    diversity_penalty: Penalty = 0.0
    penalty_alpha: Probability | None = None
    constraints: Objects | None = None
    force_words_ids: WordsOrChoices | None = None
    dola_layers: Any = None
    guidance_scale: Factor | None = None
    num_return_sequences: Positive = 1
    length_penalty: Power = 1.0
    early_stopping: EarlyStopping = False

    # What sampling draws from
    temperature: Penalty = 1.0
    top_k: Count = 50
    top_p: Probability = 1.0
    min_p: Probability | None = None
    top_h: Share | None = None
    typical_p: Share = 1.0
    epsilon_cutoff: Cutoff = 0.0
    eta_cutoff: Cutoff = 0.0
    renormalize_logits: Flag = False

    # What not to choose, and what to choose less or more
    no_repeat_ngram_size: Count = 0
    encoder_no_repeat_ngram_size: Count = 0
    repetition_penalty: Factor = 1.0
    encoder_repetition_penalty: Factor = 1.0
    bad_words_ids: Words | None = None
    sequence_bias: Bias | None = None
    exponential_decay_length_penalty: Decay | None = None
    suppress_tokens: TokenList | None = None
    begin_suppress_tokens: TokenList | None = None
    forced_bos_token_id: TokenId = None
    forced_eos_token_id: TokenIds = None
    forced_decoder_ids: Places | None = None
    remove_invalid_values: Flag = False
    token_healing: Flag | None = None
    watermarking_config: Any = None

    # Tokens with a meaning
    pad_token_id: TokenId = None
    bos_token_id: TokenId = None
    eos_token_id: TokenIds = None
    decoder_start_token_id: TokenId = None

    # Writing ahead, and checking afterwards
    num_assistant_tokens: Positive = 5
    num_assistant_tokens_schedule: Schedule = "heuristic"
    assistant_confidence_threshold: Probability | None = None
    prompt_lookup_num_tokens: Positive | None = None
    max_matching_ngram_size: Positive | None = None
    is_assistant: Flag | None = None
    assistant_early_exit: Positive | None = None
    assistant_ensemble_weight: Share | None = None
    assistant_lookbehind: Positive | None = None
    target_lookbehind: Positive | None = None
    speculation_type: str | None = None
    use_mtp: Flag | None = None

    # What else to return
    return_dict_in_generate: Flag = False
    output_scores: Flag = False
    output_logits: Flag | None = None
    output_attentions: Flag = False
    output_hidden_states: Flag = False

    # How it is computed; none of these may change what is written
    use_cache: Flag = True
    cache_implementation: CacheName | None = None
    cache_config: Settings | None = None
    max_cache_len: Positive | None = None
    low_memory: Flag | None = None
    prefill_chunk_size: Positive | None = None
    compile_config: Compiling | None = None
    disable_compile: Flag | None = None
    continuous_batching_config: Any = None
    generation_kwargs: Settings = {}  # noqa: RUF012  every config gets its own copy

    # Where it comes from
    _from_model_config: Flag = False
    transformers_version: str | None = None


METADATA = ("_from_model_config", "_commit_hash", "_original_object_hash", "transformers_version")
"""Says where options come from, not how to decode."""

ARGUMENTS = (
    "logits_processor",
    "stopping_criteria",
    "prefix_allowed_tokens_fn",
    "synced_gpus",
    "assistant_model",
    "streamer",
    "negative_prompt_ids",
    "negative_prompt_attention_mask",
)
"""What `generate` takes beside options."""


def _check_of(hint: Any) -> Check | None:
    """The check in an annotation, which may stand beside None."""
    notes = [note for part in (hint, *get_args(hint)) for note in get_args(part)[1:]]
    return next((note for note in notes if isinstance(note, Check)), None)


CHECKS: dict[str, Check | None] = {
    name: _check_of(hint) for name, hint in get_type_hints(Options, include_extras=True).items()
}
"""Every option there is, with what its value must be."""

DEFAULTS: dict[str, Any] = {name: getattr(Options, name) for name in CHECKS}


def listed(tokens: int | Sequence[int] | None) -> tuple[int, ...]:
    """One token id, several or none, as a tuple."""
    if tokens is None:
        return ()
    return (tokens,) if isinstance(tokens, int) else tuple(tokens)


def biases(sequence_bias: Mapping[tuple[int, ...], float] | Sequence[Any] | None) -> dict[tuple[int, ...], float]:
    """The bias of each sequence of tokens, from either published form."""
    pairs = sequence_bias.items() if isinstance(sequence_bias, Mapping) else sequence_bias or ()
    return {tuple(tokens): float(bias) for tokens, bias in pairs}


def unknown_option(name: str) -> str:
    """The message about an option that does not exist, with the one that was probably meant."""
    if name in ARGUMENTS:
        return f"`{name}` is an argument of `generate`, not a decoding option."
    nearest = difflib.get_close_matches(name, DEFAULTS, 1)
    return f"`{name}` is not a decoding option." + (f" Did you mean `{nearest[0]}`?" if nearest else "")


def is_misspelt(name: str) -> bool:
    """Whether a name that is no option is so like one, or so like an argument, that nothing else can be meant."""
    return name in ARGUMENTS or bool(difflib.get_close_matches(name, DEFAULTS, 1, cutoff=0.8))
