"""Decoding options drawn at random: every option there is, with values that can be and values that cannot."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from bartleby.generation.options import DEFAULTS

VOCABULARY = 12
Token = st.integers(0, VOCABULARY - 1)
Tokens = st.lists(Token, min_size=1, max_size=3)
Words = st.lists(Tokens, min_size=1, max_size=3)
Flags = st.booleans()
Few = st.integers(1, 4)
Share = st.sampled_from([0.1, 0.5, 0.9, 1.0])

VALID: dict[str, st.SearchStrategy[Any]] = {
    "max_length": st.integers(1, 12),
    "min_length": st.integers(0, 8),
    "max_new_tokens": st.integers(1, 8),
    "min_new_tokens": st.integers(0, 6),
    "max_time": st.sampled_from([0, 60.0]),
    "stop_strings": st.sampled_from(["a", ["b", "cd"]]),
    "do_sample": Flags,
    "num_beams": Few,
    "num_beam_groups": st.sampled_from([1, 1, 2]),
    "diversity_penalty": st.sampled_from([0.0, 0.5]),
    "penalty_alpha": st.sampled_from([0, 0.6]),
    "force_words_ids": Words,
    "num_return_sequences": st.sampled_from([1, 1, 2]),
    "length_penalty": st.floats(-2, 2),
    "early_stopping": st.sampled_from([True, False, "never"]),
    "temperature": st.floats(0.3, 3),
    "top_k": st.integers(0, 20),
    "top_p": st.sampled_from([0, 0.1, 0.9, 1.0]),
    "min_p": Share,
    "top_h": Share,
    "typical_p": Share,
    "epsilon_cutoff": st.sampled_from([0, 1e-3, 0.5]),
    "eta_cutoff": st.sampled_from([0, 1e-3, 0.5]),
    "renormalize_logits": Flags,
    "no_repeat_ngram_size": st.integers(0, 3),
    "encoder_no_repeat_ngram_size": st.integers(0, 3),
    "repetition_penalty": st.floats(0.5, 2),
    "encoder_repetition_penalty": st.floats(0.5, 2),
    "bad_words_ids": Words,
    "sequence_bias": st.dictionaries(
        Tokens.map(tuple), st.sampled_from([-2.0, 3, float("-inf")]), min_size=1, max_size=3
    ),
    "exponential_decay_length_penalty": st.tuples(st.integers(0, 5), st.sampled_from([0.5, 1.5, 50.0])),
    "suppress_tokens": st.lists(Token, min_size=1, max_size=VOCABULARY),
    "begin_suppress_tokens": Tokens,
    "forced_bos_token_id": Token,
    "forced_eos_token_id": st.one_of(Token, Tokens),
    "forced_decoder_ids": st.lists(st.tuples(st.integers(0, 6), st.none() | Token), max_size=3),
    "remove_invalid_values": Flags,
    "pad_token_id": Token,
    "bos_token_id": Token,
    "eos_token_id": st.one_of(Token, Tokens, st.just(-1)),
    "decoder_start_token_id": Token,
    "num_assistant_tokens": Few,
    "num_assistant_tokens_schedule": st.sampled_from(["constant", "heuristic"]),
    "prompt_lookup_num_tokens": Few,
    "max_matching_ngram_size": Few,
    "cache_implementation": st.sampled_from(["dynamic", "static"]),
    "return_dict_in_generate": Flags,
    "output_scores": Flags,
    "output_logits": Flags,
    "output_attentions": Flags,
    "output_hidden_states": Flags,
    "use_cache": Flags,
    "low_memory": Flags,
}
WRONG = st.sampled_from(
    [
        -1,
        0,
        1.5,
        True,
        "",
        "text",
        [],
        [[]],
        [-1],
        [99],
        {},
        {1: 2},
        (1,),
        float("nan"),
        float("inf"),
        object(),
        10**400,
    ]
)


SEARCHES: list[dict[str, Any]] = [
    {},
    {"do_sample": True},
    {"do_sample": True, "num_return_sequences": 3},
    {"num_beams": 3},
    {"num_beams": 3, "num_return_sequences": 2},
    {"num_beams": 2, "do_sample": True},
    {"num_beams": 4, "num_beam_groups": 2, "diversity_penalty": 0.5},
    {"num_beams": 3, "force_words_ids": [[4, 5], [[6], [7, 8]]]},
    {"penalty_alpha": 0.6, "top_k": 3},
    {"prompt_lookup_num_tokens": 2},
]


@st.composite
def any_options(draw: st.DrawFn) -> dict[str, Any]:
    """Some options: mostly as they can be, now and then one that cannot."""
    names = draw(st.lists(st.sampled_from(sorted(VALID)), max_size=6, unique=True))
    options = {name: draw(VALID[name]) for name in names}
    if draw(st.integers(0, 9)) < 8:  # else the search is left to chance, which mostly asks for none there is
        options |= draw(st.sampled_from(SEARCHES))
    if draw(st.integers(0, 9)) == 9:
        options[draw(st.sampled_from(sorted(DEFAULTS)))] = draw(WRONG)
    return options
