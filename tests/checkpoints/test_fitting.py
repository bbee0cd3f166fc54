from typing import Any

import pytest

from bartleby.checkpoints.conversion import Original
from bartleby.checkpoints.fitting import give_decoding
from bartleby.errors import OptionError
from bartleby.family.parameters import Head
from bartleby.family.presets import PRESETS
from bartleby.generation.config import GenerationConfig


def original(name: str, head: Head = "conditional_generation", **changes: Any) -> Original:
    config = PRESETS[name].config
    config.update(changes)
    return Original("fairseq BART", config, head, [])


@pytest.mark.parametrize(
    "name",
    [
        "facebook/bart-base",
        "facebook/bart-large",
        "facebook/blenderbot_small-90M",
        "facebook/blenderbot-400M-distill",
        "facebook/blenderbot-1B-distill",
        "facebook/blenderbot-3B",
    ],
)
def test_the_only_preset_of_a_shape_gives_its_decoding_options(name: str) -> None:
    found = original(name)
    give_decoding(found, None)
    assert found.generation_config is not None
    assert found.generation_config.items() >= PRESETS[name].generation.items()
    assert found.generation_config["decoder_start_token_id"] == found.config.decoder_start_token_id
    assert name in found.notes[0]
    GenerationConfig.from_dict(found.generation_config)


def test_of_several_presets_of_a_shape_one_must_be_named() -> None:
    found = original("facebook/bart-large-cnn")
    give_decoding(found, None)
    assert "facebook/bart-large-cnn and facebook/bart-large-xsum: name the one it is (`--preset`)" in found.notes[0]
    assert found.generation_config is not None
    assert "num_beams" not in found.generation_config
    named = original("facebook/bart-large-cnn")
    give_decoding(named, "bart-large-xsum")
    assert named.generation_config is not None
    assert (named.generation_config["num_beams"], named.generation_config["max_length"]) == (6, 62)


def test_a_classifier_gets_the_labels_of_its_preset() -> None:
    found = original("facebook/bart-large-mnli", "sequence_classification")
    found.config.update({"id2label": {0: "a", 1: "b", 2: "c"}, "label2id": {"a": 0, "b": 1, "c": 2}})
    give_decoding(found, None)
    assert found.config.id2label == {0: "contradiction", 1: "neutral", 2: "entailment"}
    assert found.config.label2id == {"contradiction": 0, "neutral": 1, "entailment": 2}
    assert found.generation_config is None
    assert "was given the labels" in found.notes[0]


def test_a_classifier_is_no_summarizer_and_the_other_way_round() -> None:
    with pytest.raises(OptionError, match="only one of them is a classifier"):
        give_decoding(original("facebook/bart-large-mnli", "sequence_classification"), "facebook/bart-large")
    two = original("facebook/bart-large-mnli", "sequence_classification", id2label={0: "a", 1: "b"}, label2id=None)
    with pytest.raises(OptionError, match="it has 2 labels, not 3"):
        give_decoding(two, "facebook/bart-large-mnli")


def test_a_shape_of_its_own_has_no_decoding_options() -> None:
    found = original("facebook/bart-base", d_model=24)
    give_decoding(found, None)
    assert "no published checkpoint" in found.notes[0]
    assert found.generation_config == {
        "bos_token_id": 0,
        "decoder_start_token_id": 2,
        "eos_token_id": 2,
        "pad_token_id": 1,
    }


def test_a_checkpoint_keeps_the_options_it_has_unless_a_preset_is_named() -> None:
    found = original("facebook/bart-base")
    found.generation_config = {"num_beams": 2}
    give_decoding(found, None)
    assert (found.generation_config, found.notes) == ({"num_beams": 2}, [])
    give_decoding(found, "facebook/bart-base")
    assert found.generation_config["num_beams"] == 4


def test_presets_that_are_none_or_another_are_refused() -> None:
    with pytest.raises(OptionError, match=r"`preset` must be one of facebook/bart-base, .*, but is 'gpt2'"):
        give_decoding(original("facebook/bart-base"), "gpt2")
    with pytest.raises(OptionError, match=r"facebook/bart-base has another shape .*`d_model` is 1024, not 768"):
        give_decoding(original("facebook/bart-large"), "facebook/bart-base")
