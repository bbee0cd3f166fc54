"""Decoding options that are set on the config of a model."""

import copy
import warnings

import pytest

from bartleby.family.config import BartConfig
from bartleby.generation.config import GenerationConfig
from bartleby.generation.later_word import Beginning, decoding_fields


def test_what_is_set_on_the_config_later_is_followed_and_told() -> None:
    config = BartConfig(num_beams=2)
    options = GenerationConfig.from_model_config(config)
    beginning = Beginning.of(options, config)
    config.max_length, config.num_beams = 30, 4
    with pytest.warns(UserWarning, match="Decoding follows .*max_length=30"):
        followed = beginning.followed(options, config)
    assert (followed.max_length, followed.num_beams) == (30, 4)
    assert options.num_beams == 2, "the options of the model stay as they are"


def test_what_is_set_on_the_options_as_well_stays_theirs() -> None:
    config = BartConfig()
    options = GenerationConfig.from_model_config(config)
    beginning = Beginning.of(options, config)
    config.max_length, options.max_length = 30, 40
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert beginning.followed(options, config).max_length == 40


def test_without_changes_the_options_are_those_of_the_model() -> None:
    config = BartConfig(max_length=12, use_cache=True)
    options = GenerationConfig(max_length=50)
    beginning = Beginning.of(options, config)
    assert beginning.followed(options, copy.deepcopy(config)) is options
    config.use_cache = False
    assert beginning.followed(options, config) is options, "a trainer's own passes need no cache"
    assert "use_cache" not in decoding_fields(config)
