import logging

import pytest

from bartleby.errors import LengthError, OptionError
from bartleby.family.config import BartConfig
from bartleby.generation.config import GenerationConfig
from bartleby.generation.request import DecodingOptions, tell_of_default_length, within_positions


class Model(DecodingOptions):
    def __init__(self, config: BartConfig) -> None:
        self.config = config


def test_the_options_of_a_model_come_from_its_config_until_they_are_set() -> None:
    model = Model(BartConfig(num_beams=3))
    assert model.generation_config.num_beams == 3
    model.generation_config = GenerationConfig(num_beams=2)
    assert (model.generation_config.num_beams, Model(BartConfig()).generation_config.num_beams) == (2, 1)
    assert model.can_generate()


def test_a_config_of_the_caller_gets_the_special_tokens_of_the_model() -> None:
    options = Model(BartConfig())._resolved("plain", GenerationConfig(num_beams=2), {"max_length": 7})
    assert (options.num_beams, options.max_length, options.eos_token_id, options.pad_token_id) == (2, 7, 2, 1)


def test_what_is_set_on_the_config_afterwards_counts_with_a_warning() -> None:
    model = Model(BartConfig())
    assert model._resolved("plain", None, {}).max_length == 20
    model.config.max_length = 9
    with pytest.warns(UserWarning, match="Decoding follows max_length=9"):
        assert model._resolved("plain", None, {}).max_length == 9


def test_what_an_implementation_does_not_carry_out_is_refused() -> None:
    for implementation in ("flax", "tensorflow"):
        with pytest.raises(OptionError, match="`num_beam_groups` must be 1, but is 2: groups of beams are searched"):
            Model(BartConfig())._resolved(
                implementation, None, {"num_beams": 4, "num_beam_groups": 2, "diversity_penalty": 1.0}
            )


def test_a_length_that_nobody_set_is_told(caplog: pytest.LogCaptureFixture) -> None:
    tell_of_default_length(GenerationConfig(), {"max_length": 20})
    tell_of_default_length(GenerationConfig(max_new_tokens=20), {})
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        tell_of_default_length(GenerationConfig(), {})
    assert "Outputs end at 20 tokens, the default" in caplog.text


def test_outputs_end_where_the_positions_do_and_that_is_told(caplog: pytest.LogCaptureFixture) -> None:
    options = GenerationConfig(max_length=40, min_length=5)
    assert within_positions(options, 1, 40) is options
    cut = within_positions(options, 1, 16)
    assert (cut.max_length, cut.min_length, options.max_length) == (16, 5, 40)
    assert "but end at 16" in caplog.text
    with pytest.raises(LengthError, match="would have at least 17"):
        within_positions(options, 16, 16)
    assert within_positions(options, 1, 16, unnamed=4).max_length == 12
