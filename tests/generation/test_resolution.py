import pytest

from bartleby.errors import OptionError
from bartleby.generation.config import GenerationConfig
from bartleby.generation.resolution import eos_ids, length_bounds, resolve_options, start_id

CNN = GenerationConfig(max_length=142, min_length=56, num_beams=4, length_penalty=2.0, forced_bos_token_id=0)


def test_the_caller_stands_above_the_checkpoint_and_leaves_it_unchanged() -> None:
    options = resolve_options(CNN, {"num_beams": 2, "forced_bos_token_id": None})
    assert (options.num_beams, options.length_penalty, options.forced_bos_token_id) == (2, 2.0, None)
    assert (CNN.num_beams, CNN.forced_bos_token_id) == (4, 0)


def test_unknown_options_and_impossible_ones_are_told_together() -> None:
    with pytest.raises(OptionError, match=r"(?s)2 faults.*Did you mean `num_beams`.*`max_length` must be"):
        resolve_options(CNN, {"num_beam": 2, "max_length": 0})


def test_what_a_file_holds_beside_options_is_still_no_option() -> None:
    with pytest.raises(OptionError, match="`from_the_future`"):
        resolve_options(GenerationConfig.from_dict({"from_the_future": 1}), {"from_the_future": 2})


@pytest.mark.parametrize(
    ("checkpoint", "caller", "bounds"),
    [
        ({}, {}, (0, 20)),
        ({"max_length": 60, "min_length": 20}, {}, (20, 60)),
        ({"max_length": 60, "min_length": 20}, {"max_new_tokens": 100}, (20, 103)),
        ({"max_length": 60, "min_length": 20}, {"max_new_tokens": 10}, (13, 13)),
        ({"max_length": 60, "min_length": 20}, {"max_length": 10}, (10, 10)),
        ({"max_length": 60, "min_length": 20}, {"min_new_tokens": 5}, (8, 60)),
        ({"max_new_tokens": 60, "min_new_tokens": 20}, {"max_length": 30}, (23, 30)),
        ({"max_new_tokens": 60, "min_new_tokens": 20}, {"min_length": 0}, (0, 63)),
        ({"max_new_tokens": 60, "min_new_tokens": 20}, {"max_new_tokens": 10}, (13, 13)),
    ],
)
def test_lengths_count_the_prompt_and_new_ones_do_not(checkpoint: dict, caller: dict, bounds: tuple[int, int]) -> None:
    options = resolve_options(GenerationConfig(**checkpoint), caller)
    assert length_bounds(options, prompt_length=3) == bounds


def test_a_minimum_of_the_caller_does_not_yield() -> None:
    with pytest.raises(OptionError, match=r"`min_length` must be at most `max_length` \(142\), but is 200"):
        resolve_options(CNN, {"min_length": 200})


def test_a_prompt_that_fills_everything_is_refused_with_the_remedy() -> None:
    with pytest.raises(OptionError, match=r"more than the 20 tokens .* but is 20\. Raise it, or set `max_new_tokens`"):
        length_bounds(GenerationConfig(), prompt_length=20)


@pytest.mark.parametrize(
    ("caller", "warning"),
    [
        ({"max_length": 30, "max_new_tokens": 10, "min_length": 0}, "`max_new_tokens` decides"),
        ({"min_length": 3, "min_new_tokens": 3}, "`min_new_tokens` decides"),
        ({"temperature": 0.7}, "`temperature` has no effect without sampling"),
        ({"num_beams": 1, "early_stopping": True}, "`early_stopping` has no effect without beams"),
    ],
)
def test_what_has_no_effect_is_told_to_who_asked_for_it(caller: dict, warning: str) -> None:
    with pytest.warns(UserWarning, match=warning):
        resolve_options(CNN, caller)


@pytest.mark.filterwarnings("ignore:.*has no effect")
def test_what_a_checkpoint_says_is_not_complained_about() -> None:
    resolve_options(GenerationConfig(temperature=0.7, length_penalty=2.0), {"num_beams": 1, "temperature": 1.0})


def test_one_end_token_several_or_none() -> None:
    assert [eos_ids(GenerationConfig(eos_token_id=eos)) for eos in (None, 2, [2, 5], -1)] == [(), (2,), (2, 5), ()]


def test_outputs_begin_with_the_start_token_or_with_bos() -> None:
    assert start_id(GenerationConfig(decoder_start_token_id=0, bos_token_id=1)) == 0
    assert start_id(GenerationConfig(bos_token_id=1)) == 1
    with pytest.raises(OptionError, match="Set it or `bos_token_id`"):
        start_id(GenerationConfig())
