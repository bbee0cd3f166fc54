from typing import Any

import pytest

from bartleby.generation.config import GenerationConfig
from bartleby.generation.provenance import provenance
from bartleby.generation.resolution import resolve_options

CHECKPOINT = GenerationConfig(max_length=62, min_length=11, num_beams=6, eos_token_id=2)


def origins(overrides: dict[str, Any], checkpoint: GenerationConfig = CHECKPOINT, given: Any = None) -> dict[str, Any]:
    resolved = resolve_options(checkpoint if given is None else given, overrides)
    return provenance(resolved, overrides, checkpoint, given)


def test_the_caller_comes_before_the_checkpoint_and_both_before_the_default() -> None:
    found = origins({"num_beams": 2, "no_repeat_ngram_size": None})
    assert (found["num_beams"].value, found["num_beams"].source) == (2, "caller")
    assert (found["max_length"].value, found["max_length"].source) == (62, "generation_config")
    assert (found["no_repeat_ngram_size"].value, found["no_repeat_ngram_size"].source) == (0, "default")
    assert str(found["max_length"]) == "the model's generation config"


def test_options_kept_in_a_models_config_are_told_apart() -> None:
    old = GenerationConfig.from_model_config({"max_length": 62, "num_beams": 4})
    assert origins({}, old)["max_length"].source == "config"
    assert str(origins({}, old)["max_length"]) == "the model's config.json"


@pytest.mark.parametrize(
    ("overrides", "name", "text"),
    [
        ({"max_length": 5}, "min_length", "the model's generation config, which said 11 and gave way"),
        ({"max_length": 5}, "max_length", "the caller"),
    ],
)
def test_a_word_that_gave_way_is_told(overrides: dict[str, Any], name: str, text: str) -> None:
    assert str(origins(overrides)[name]) == text


def test_a_length_in_new_tokens_gives_way_to_one_of_the_callers() -> None:
    checkpoint = GenerationConfig(max_new_tokens=30)
    found = origins({"max_length": 20}, checkpoint)["max_new_tokens"]
    assert (found.value, found.source, found.said) == (None, "generation_config", 30)


def test_a_config_of_the_callers_stands_in_for_the_checkpoints_but_for_special_tokens() -> None:
    given = GenerationConfig(num_beams=3)
    resolved = resolve_options(given, {"max_length": 9})
    resolved.eos_token_id = CHECKPOINT.eos_token_id
    found = provenance(resolved, {"max_length": 9}, CHECKPOINT, given)
    assert found["num_beams"].source == "caller_config"
    assert found["max_length"].source == "caller"
    assert (found["min_length"].value, found["min_length"].source) == (0, "default")
    assert found["eos_token_id"].source == "generation_config"
