"""Published decoding options that this release, or one implementation of it, does not carry out, and why.

Set to anything but its default, such an option is refused with the reason given here: none is ignored in silence.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

Implementation = Literal["plain", "pytorch"]


class Later(NamedTuple):
    """A published option this release does not carry out."""

    default: Any
    reason: str
    refused_by: tuple[Implementation, ...] = ("plain", "pytorch")


_ASSISTED = "assisted decoding is not in this release"
_CACHES = "the cache is chosen by the implementation"
_RULE = "this token rule is not in this release"
_OUTPUTS = "only ids are returned in this release; Backend.generate gives scores too"

LATER: dict[str, Later] = {
    "num_beam_groups": Later(1, "diverse beam groups are not in this release"),
    "diversity_penalty": Later(0.0, "diverse beam groups are not in this release"),
    "penalty_alpha": Later(None, "contrastive search is not in this release"),
    "constraints": Later(None, "constrained beam search is not in this release"),
    "force_words_ids": Later(None, "constrained beam search is not in this release"),
    "forced_decoder_ids": Later(None, "pass what the output must begin with as decoder_input_ids"),
    "guidance_scale": Later(None, "classifier-free guidance is not in this release"),
    "dola_layers": Later(None, "contrasting layers is not in this release"),
    "max_time": Later(None, "a time limit is not in this release; limit the length"),
    "stop_strings": Later(None, "stopping at strings is not in this release; cut the decoded text"),
    "token_healing": Later(None, "token healing is not in this release"),
    "watermarking_config": Later(None, "watermarks are not in this release"),
    "encoder_repetition_penalty": Later(1.0, _RULE),
    "exponential_decay_length_penalty": Later(None, _RULE),
    "sequence_bias": Later(None, _RULE),
    "remove_invalid_values": Later(False, _RULE),
    "renormalize_logits": Later(False, _RULE),
    "typical_p": Later(1.0, _RULE),
    "min_p": Later(None, _RULE),
    "top_h": Later(None, _RULE),
    "epsilon_cutoff": Later(0.0, _RULE),
    "eta_cutoff": Later(0.0, _RULE),
    "num_assistant_tokens": Later(5, _ASSISTED),
    "num_assistant_tokens_schedule": Later("heuristic", _ASSISTED),
    "prompt_lookup_num_tokens": Later(None, _ASSISTED),
    "max_matching_ngram_size": Later(None, _ASSISTED),
    "is_assistant": Later(None, _ASSISTED),
    "assistant_confidence_threshold": Later(None, _ASSISTED),
    "assistant_early_exit": Later(None, _ASSISTED),
    "assistant_ensemble_weight": Later(None, _ASSISTED),
    "assistant_lookbehind": Later(None, _ASSISTED),
    "target_lookbehind": Later(None, _ASSISTED),
    "speculation_type": Later(None, _ASSISTED),
    "use_mtp": Later(None, _ASSISTED),
    "low_memory": Later(None, _CACHES),
    "cache_implementation": Later(None, _CACHES),
    "cache_config": Later(None, _CACHES),
    "max_cache_len": Later(None, _CACHES),
    "prefill_chunk_size": Later(None, _CACHES),
    "continuous_batching_config": Later(None, _CACHES),
    "compile_config": Later(None, "compiling the model is the caller's choice, not an option of decoding"),
    "disable_compile": Later(None, "nothing is compiled"),
    "generation_kwargs": Later({}, "pass options by their own names"),
    "return_dict_in_generate": Later(False, _OUTPUTS),
    "output_scores": Later(False, _OUTPUTS),
    "output_logits": Later(None, _OUTPUTS),
    "output_attentions": Later(False, _OUTPUTS),
    "output_hidden_states": Later(False, _OUTPUTS),
}
