import pytest

from bartleby.errors import OptionError
from bartleby.generation.config import GenerationConfig
from bartleby.generation.faults import Refused, idle, is_set, support, vocabulary_faults
from bartleby.generation.later import LATER
from bartleby.generation.options import DEFAULTS

SET = {
    "constraints": [object()],
    "force_words_ids": [[1]],
    "stop_strings": "a",
    "sequence_bias": {(1,): 1.0},
    "exponential_decay_length_penalty": (1, 1.5),
    "forced_decoder_ids": [[1, 2]],
    "num_assistant_tokens_schedule": "constant",
    "cache_implementation": "static",
    "cache_config": {"a": 1},
    "generation_kwargs": {"a": 1},
    "num_beam_groups": 2,
    "num_assistant_tokens": 7,
    "compile_config": {"mode": "default"},
}
TRUE = ("remove_invalid_values", "renormalize_logits", "token_healing", "is_assistant", "use_mtp", "low_memory")
BESIDE = {
    "num_beam_groups": {"num_beams": 2, "diversity_penalty": 1.0},
    "diversity_penalty": {"num_beams": 2, "num_beam_groups": 2},
    "constraints": {"num_beams": 2},
    "force_words_ids": {"num_beams": 2},
}


def something_set(name: str) -> object:
    if name in SET:
        return SET[name]
    if name in TRUE or name.startswith(("output_", "return_")):
        return True
    return 0.5 if name.endswith(("_p", "_h", "_cutoff", "penalty", "alpha", "threshold", "weight", "scale")) else 3


@pytest.mark.filterwarnings("ignore:.*has no effect")
@pytest.mark.parametrize("name", LATER)
def test_what_is_not_carried_out_is_refused_with_the_reason_never_ignored(name: str) -> None:
    options = GenerationConfig(**{name: something_set(name)}, **BESIDE.get(name, {}))
    for implementation, reason in LATER[name].items():
        with pytest.raises(OptionError) as refusal:
            options.validate(implementation)
        assert f"`{name}` must be " in str(refusal.value)
        assert reason in str(refusal.value)
        assert support(name, implementation) == Refused(reason)
        GenerationConfig().validate(implementation)


def test_support_of_an_option_that_does_not_exist_is_an_error() -> None:
    assert support("num_beams", "plain") == "yes"
    with pytest.raises(OptionError, match="Did you mean `top_k`"):
        support("topk", "plain")


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"min_length": 30, "max_length": 10}, "`min_length` must be at most `max_length`"),
        ({"min_new_tokens": 30, "max_new_tokens": 10}, "`min_new_tokens` must be at most"),
        ({"num_return_sequences": 2}, "`num_return_sequences` must be at most"),
        ({"num_return_sequences": 4, "num_beams": 3, "do_sample": True}, "`num_return_sequences` must be at most"),
        ({"diversity_penalty": 0.5, "num_beams": 4}, "`diversity_penalty` must be 0"),
        ({"num_beam_groups": 2, "diversity_penalty": 0.5}, "`num_beams` must be a multiple"),
        ({"num_beam_groups": 2, "num_beams": 4}, "`diversity_penalty` must be above 0"),
        ({"num_beam_groups": 2, "num_beams": 4, "diversity_penalty": 0.5, "do_sample": True}, "`do_sample` must"),
        ({"force_words_ids": [[4]]}, "`num_beams` must be at least 2"),
        ({"constraints": [1], "num_beams": 2, "do_sample": True}, "`do_sample` must be False"),
        (
            {"constraints": [1], "num_beams": 4, "num_beam_groups": 2, "diversity_penalty": 1.0},
            "`num_beam_groups` must be 1",
        ),
        ({"prompt_lookup_num_tokens": 2, "num_beams": 2}, "`num_beams` must be 1"),
        ({"forced_eos_token_id": 2, "suppress_tokens": [2, 3]}, "`forced_eos_token_id` must not be all"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options: dict, fault: str) -> None:
    with pytest.raises(OptionError, match=fault):
        GenerationConfig(**options)


def test_tokens_of_every_kind_must_lie_in_the_vocabulary() -> None:
    options = GenerationConfig(
        eos_token_id=[2, 10], bad_words_ids=[[3, 12]], sequence_bias={(1, 11): 1.0}, forced_decoder_ids=[[1, 13]]
    )
    names = [fault.split("`")[1] for fault in vocabulary_faults(options, 10)]
    assert names == ["eos_token_id", "bad_words_ids", "sequence_bias", "forced_decoder_ids"]
    assert list(vocabulary_faults(options, 14)) == []
    forced = GenerationConfig(num_beams=2, force_words_ids=[[5, 11], [[6], [12, 7]]])
    assert [fault.split("has ")[1] for fault in vocabulary_faults(forced, 10)] == ["[11, 12]."]
    assert list(vocabulary_faults(GenerationConfig(eos_token_id=-1), 14)) == []
    assert list(vocabulary_faults(GenerationConfig(forced_eos_token_id=-1), 14)) != []


@pytest.mark.parametrize(
    ("options", "without_effect"),
    [
        ({}, []),
        ({"temperature": 0.7, "top_k": 5}, ["temperature", "top_k"]),
        ({"top_k": 0, "top_p": 0}, ["top_k", "top_p"]),
        ({"temperature": 0.7, "do_sample": True}, []),
        ({"temperature": 0}, ["temperature"]),  # how many scripts ask for the best token
        ({"penalty_alpha": 0.6, "top_k": 4}, []),
        ({"penalty_alpha": 0.6, "num_beams": 2}, ["penalty_alpha"]),
        ({"early_stopping": True, "length_penalty": 2.0}, ["early_stopping", "length_penalty"]),
        ({"early_stopping": True, "num_beams": 2}, []),
        ({"output_scores": True}, ["output_scores"]),
        ({"output_scores": True, "return_dict_in_generate": True}, []),
        ({"cache_implementation": "static", "use_cache": False}, ["cache_implementation"]),
        ({"low_memory": True, "max_matching_ngram_size": 3}, ["low_memory", "max_matching_ngram_size"]),
        ({"low_memory": True, "penalty_alpha": 0.6, "top_k": 4}, []),
        ({"max_matching_ngram_size": 3, "prompt_lookup_num_tokens": 5}, []),
    ],
)
def test_some_options_have_no_effect_beside_others(options: dict, without_effect: list[str]) -> None:
    assert sorted(idle(GenerationConfig.from_dict(options))) == without_effect
    assert idle(GenerationConfig.from_dict(options), ()) == {}


def test_an_option_is_set_when_it_says_anything_but_its_default() -> None:
    assert [name for name, default in DEFAULTS.items() if is_set(name, default)] == []
    assert is_set("eos_token_id", 0)
    assert is_set("suppress_tokens", [1])


def test_a_growing_end_needs_an_end() -> None:
    options = GenerationConfig(exponential_decay_length_penalty=(1, 1.5))
    for eos, is_fine in ((None, False), (-1, False), (2, True)):
        options.eos_token_id = eos
        if is_fine:
            options.validate("plain")
            continue
        with pytest.raises(OptionError, match="`eos_token_id` must be a token"):
            options.validate("plain")
