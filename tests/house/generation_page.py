"""The tables of docs/generation.md: what is said here of each option, and what the code says of it."""

from __future__ import annotations

from bartleby.generation.config import Refused, support
from bartleby.generation.options import DEFAULTS

BEGIN, END = "<!-- options: written by scripts/options -->", "<!-- options end -->"

WHAT: dict[str, dict[str, str]] = {
    "How long": {
        "max_length": "longest decoder side, prompt and start token included",
        "min_length": "no end before the decoder side is this long",
        "max_new_tokens": "longest output, prompt not counted; decides over `max_length`",
        "min_new_tokens": "no end before this many new tokens; decides over `min_length`",
        "max_time": "seconds after which every row ends",
        "stop_strings": "a row ends when its last token completes one of these strings; needs `tokenizer`",
    },
    "How to choose": {
        "do_sample": "draw tokens by their probability, instead of taking the best",
        "num_beams": "how many unfinished outputs are kept for each source",
        "num_beam_groups": "groups of beams that avoid each other's tokens",
        "diversity_penalty": "taken from a token's score for each beam of an earlier group that has just chosen it",
        "penalty_alpha": "contrastive search among the `top_k` likeliest: weight of not being like what stands there",
        "constraints": "objects that say what an output must hold",
        "force_words_ids": "tokens, or choices of tokens, that an output must hold; cut off at `max_length` with few "
        "beams it may lack them, as in 4.37",
        "dola_layers": "contrast the last layer with earlier ones",
        "guidance_scale": "weigh the prompt against its absence",
        "num_return_sequences": "outputs for each source",
        "length_penalty": "scores of beams are divided by length to this power: above 0 favours long outputs",
        "early_stopping": 'True: stop at `num_beams` finished outputs; False: when no beam looks better; "never": when '
        "none can become better",
    },
    "What sampling draws from": {
        "temperature": "below 1 sharpens the choice, above 1 flattens it",
        "top_k": "only the k likeliest tokens; 0: all",
        "top_p": "only the likeliest tokens that together have this probability",
        "min_p": "only tokens at least this share as likely as the likeliest",
        "top_h": "only the likeliest tokens that keep this share of the entropy",
        "typical_p": "only the tokens of most typical surprise that together have this probability",
        "epsilon_cutoff": "only tokens at least this likely",
        "eta_cutoff": "only tokens at least this likely, or less where the choice is open",
        "renormalize_logits": "make probabilities of the scores again after all rules",
    },
    "What to choose less, more, or never": {
        "no_repeat_ngram_size": "no n tokens twice in an output",
        "encoder_no_repeat_ngram_size": "no n tokens of the source in the output",
        "repetition_penalty": "above 1: what was written before is less likely",
        "encoder_repetition_penalty": "above 1: what the source holds is more likely",
        "bad_words_ids": "sequences of tokens that are not written",
        "sequence_bias": "added to the score of the token that completes a sequence",
        "exponential_decay_length_penalty": "(start, factor): from `start` on, an end is more and more likely",
        "suppress_tokens": "tokens that are never written",
        "begin_suppress_tokens": "tokens that are not written first",
        "forced_bos_token_id": "the token behind the start token",
        "forced_eos_token_id": "the last token of an output that reaches its greatest length",
        "forced_decoder_ids": "tokens at given places",
        "remove_invalid_values": "scores that are no numbers become 0, infinite ones large",
        "token_healing": "write the last token of the prompt again, where it may be half a word",
        "watermarking_config": "mark the text as generated",
    },
    "Tokens with a meaning": {
        "pad_token_id": "fills rows behind their end",
        "bos_token_id": "begins outputs where there is no `decoder_start_token_id`",
        "eos_token_id": "ends an output; one or several",
        "decoder_start_token_id": "what every decoder side begins with",
    },
    "Writing ahead": {
        "num_assistant_tokens": "how many tokens the assistant writes ahead",
        "num_assistant_tokens_schedule": "how that number follows success",
        "assistant_confidence_threshold": "an assistant less sure than this stops writing ahead",
        "prompt_lookup_num_tokens": "how many tokens to copy ahead from the prompt",
        "max_matching_ngram_size": "how many last tokens to look up in the prompt, at most",
        "is_assistant": "marks the config of an assistant",
        "assistant_early_exit": "use the first layers as the assistant",
        "assistant_ensemble_weight": "mix the scores of both models",
        "assistant_lookbehind": "tokens of the assistant compared when vocabularies differ",
        "target_lookbehind": "tokens of the model compared when vocabularies differ",
        "speculation_type": "which layers predict several tokens",
        "use_mtp": "use layers that predict several tokens",
    },
    "What else to return": {
        "return_dict_in_generate": "an object with the fields below, instead of ids",
        "output_scores": "the scores of each step after the rules",
        "output_logits": "the scores of each step before the rules",
        "output_attentions": "the attentions of encoder and decoder",
        "output_hidden_states": "the hidden states of encoder and decoder",
    },
    "How it is computed": {
        "use_cache": "keep keys and values instead of computing them again",
        "cache_implementation": "the kind of cache",
        "cache_config": "settings of the cache",
        "max_cache_len": "length of the cache",
        "low_memory": "contrastive search: one candidate after the other",
        "prefill_chunk_size": "read long prompts in parts",
        "compile_config": "how to compile the model",
        "disable_compile": "do not compile the model",
        "continuous_batching_config": "settings of a serving loop",
        "generation_kwargs": "more options in a dictionary",
    },
}


def tables() -> str:
    """Every group of options as a table, then the reasons of what is refused."""
    reasons: dict[str, int] = {}
    parts = []
    for group, options in WHAT.items():
        rows = [
            f"| `{name}` | {what} | `{DEFAULTS[name]!r}` | {_answers(name, reasons)} |"
            for name, what in options.items()
        ]
        parts += [
            f"### {group}",
            "",
            "| option | what it does | default | PyTorch | Flax | TensorFlow | plain |",
            "|---|---|---|---|---|---|---|",
            *rows,
            "",
        ]
    numbered = [f"{number}. {reason[0].upper()}{reason[1:]}." for reason, number in reasons.items()]
    return "\n".join([BEGIN, "", *parts, "### Why some are refused", "", *numbered, "", END])


def _answers(name: str, reasons: dict[str, int]) -> str:
    """The cells of all implementations; a refusal has the number of its reason."""
    cells = []
    for implementation in ("pytorch", "flax", "tensorflow", "plain"):
        answer = support(name, implementation)
        if isinstance(answer, Refused):
            cells.append(f"no ({reasons.setdefault(answer.reason, len(reasons) + 1)})")
        else:
            cells.append(answer)
    return " | ".join(cells)


def replaced(page: str) -> str:
    """The page with its tables as they must be."""
    before, _, rest = page.partition(BEGIN)
    return before + tables() + rest.partition(END)[2]
