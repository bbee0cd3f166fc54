"""Published decoding options that this release, or one implementation of it, does not carry out, and why.

Set to anything but its default, such an option is refused with the reason given here: none is ignored in silence.
What the value of each must be stands in `options.py` like that of any other.
"""

from __future__ import annotations

from typing import Literal

Implementation = Literal["plain", "pytorch", "flax", "tensorflow"]
Reasons = dict[Implementation, str]

_STATES = "contrastive search compares hidden states, which the plain definition does not hand out"
_DRAFTS = "writing ahead saves time and changes nothing, and the plain definition is not made for speed"
_CACHES = "the plain definition keeps no cache"
_RESULTS = "the plain definition returns ids and scores, not tensors; use the PyTorch backend"


_CONSTRAINTS = "what is forced is followed row by row, which a compiled program cannot; use the PyTorch model"
_GROUPS = "groups of beams are searched one after the other in every step; use the PyTorch model"
_AHEAD = "a compiled program takes one token a step; use the PyTorch model"
_ENDS = "a compiled program asks nobody whether to go on; use the PyTorch model, or limit the length"
_SEQUENCES = "as published, Flax models return sequences, and the scores of beams; use the PyTorch model"
_LOGITS = "as published, TensorFlow models return scores; use the PyTorch model"
_WRITING = "the cache of a compiled program is as long as the longest output, and always used"
_COMPILED = "how to compile is for jax.jit or tf.function to say; this option is for torch.compile"


def _nowhere(reason: str) -> Reasons:
    return {"plain": reason, "pytorch": reason, "flax": reason, "tensorflow": reason}


def _compiled(reason: str) -> Reasons:
    return {"flax": reason, "tensorflow": reason}


LATER: dict[str, Reasons] = {
    # Searches
    "penalty_alpha": {"plain": _STATES, **_compiled(_AHEAD)},
    "num_beam_groups": _compiled(_GROUPS),
    "constraints": _compiled(_CONSTRAINTS),
    "force_words_ids": _compiled(_CONSTRAINTS),
    "dola_layers": _nowhere("contrasting layers needs an output head trained for each, which this family lacks"),
    "guidance_scale": _nowhere(
        "it weighs a prompt against its absence, and the sources of an encoder-decoder cannot be absent"
    ),
    # Writing ahead
    "num_assistant_tokens": {"plain": _DRAFTS, **_compiled(_AHEAD)},
    "num_assistant_tokens_schedule": {"plain": _DRAFTS, **_compiled(_AHEAD)},
    "assistant_confidence_threshold": {"plain": _DRAFTS, **_compiled(_AHEAD)},
    "prompt_lookup_num_tokens": {"plain": _DRAFTS, **_compiled(_AHEAD)},
    "max_matching_ngram_size": {"plain": _DRAFTS, **_compiled(_AHEAD)},
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
    "max_time": {
        "plain": "the plain definition gives the same answer however slow it is; limit the length",
        **_compiled(_ENDS),
    },
    "stop_strings": {"plain": "the plain definition knows no tokenizer; cut the decoded text", **_compiled(_ENDS)},
    # Tokens
    "token_healing": _nowhere("outputs begin with whole tokens here, not with a text that may break off inside one"),
    "watermarking_config": _nowhere("watermarks are not in this release; pass a logits processor that makes them"),
    # Results
    "return_dict_in_generate": {"plain": _RESULTS},
    "output_scores": {"plain": _RESULTS, "flax": _SEQUENCES},
    "output_logits": {"plain": _RESULTS, "flax": _SEQUENCES, "tensorflow": _LOGITS},
    "output_attentions": {"plain": _RESULTS, "flax": _SEQUENCES},
    "output_hidden_states": {"plain": _RESULTS, "flax": _SEQUENCES},
    # How it is computed
    "cache_implementation": {"plain": _CACHES, **_compiled(_WRITING)},
    "low_memory": {"plain": _CACHES, **_compiled(_WRITING)},
    "cache_config": _nowhere("the caches of this release have nothing to set"),
    "max_cache_len": _nowhere("a cache is as long as the longest output can be"),
    "prefill_chunk_size": _nowhere("prompts of this family are short, and are read at once"),
    "continuous_batching_config": _nowhere("`generate` writes one batch; requests are queued elsewhere"),
    "compile_config": {"plain": "the plain definition has nothing to compile", **_compiled(_COMPILED)},
    "generation_kwargs": _nowhere("pass options by their own names"),
}
