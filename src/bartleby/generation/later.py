"""Published decoding options that this release, or one implementation of it, does not carry out, and why.

Set to anything but its default, such an option is refused with the reason given here: none is ignored in silence.
What the value of each must be stands in `options.py` like that of any other.
"""

from __future__ import annotations

from typing import Literal

Implementation = Literal["plain", "pytorch"]
Reasons = dict[Implementation, str]

_STATES = "contrastive search compares hidden states, which the plain definition does not hand out"
_DRAFTS = "writing ahead saves time and changes nothing, and the plain definition is not made for speed"
_CACHES = "the plain definition keeps no cache"
_RESULTS = "the plain definition returns ids and scores, not tensors; use the PyTorch backend"


def _nowhere(reason: str) -> Reasons:
    return {"plain": reason, "pytorch": reason}


LATER: dict[str, Reasons] = {
    # Searches
    "penalty_alpha": {"plain": _STATES},
    "dola_layers": _nowhere("contrasting layers needs an output head trained for each, which this family lacks"),
    "guidance_scale": _nowhere(
        "it weighs a prompt against its absence, and the sources of an encoder-decoder cannot be absent"
    ),
    # Writing ahead
    "num_assistant_tokens": {"plain": _DRAFTS},
    "num_assistant_tokens_schedule": {"plain": _DRAFTS},
    "assistant_confidence_threshold": {"plain": _DRAFTS},
    "prompt_lookup_num_tokens": {"plain": _DRAFTS},
    "max_matching_ngram_size": {"plain": _DRAFTS},
    "is_assistant": _nowhere("`assistant_model` says which model assists"),
    "assistant_early_exit": _nowhere("it needs a model trained to exit early, which this family has not"),
    "assistant_ensemble_weight": _nowhere(
        "mixing two models' scores changes what is written; assistants only save time"
    ),
    "assistant_lookbehind": _nowhere("assistants must share the vocabulary here, so nothing is re-encoded"),
    "target_lookbehind": _nowhere("assistants must share the vocabulary here, so nothing is re-encoded"),
    "speculation_type": _nowhere("no model of this family has layers that predict several tokens"),
    "use_mtp": _nowhere("no model of this family has layers that predict several tokens"),
    # Ends
    "max_time": {"plain": "the plain definition gives the same answer however slow it is; limit the length"},
    "stop_strings": {"plain": "the plain definition knows no tokenizer; cut the decoded text"},
    # Tokens
    "token_healing": _nowhere("outputs begin with whole tokens here, not with a text that may break off inside one"),
    "watermarking_config": _nowhere("watermarks are not in this release; pass a logits processor that makes them"),
    # Results
    "return_dict_in_generate": {"plain": _RESULTS},
    "output_scores": {"plain": _RESULTS},
    "output_logits": {"plain": _RESULTS},
    "output_attentions": {"plain": _RESULTS},
    "output_hidden_states": {"plain": _RESULTS},
    # How it is computed
    "cache_implementation": {"plain": _CACHES},
    "low_memory": {"plain": _CACHES},
    "cache_config": _nowhere("the caches of this release have nothing to set"),
    "max_cache_len": _nowhere("a cache is as long as the longest output can be"),
    "prefill_chunk_size": _nowhere("prompts of this family are short, and are read at once"),
    "continuous_batching_config": _nowhere("`generate` writes one batch; requests are queued elsewhere"),
    "compile_config": {"plain": "the plain definition has nothing to compile"},
    "generation_kwargs": _nowhere("pass options by their own names"),
}
