from __future__ import annotations

import json
import shutil

import pytest

from bartleby.family.presets import PRESETS
from bartleby.hub import embedded_names


def facts(bartleby, name) -> dict:
    ran = bartleby("info", name, "--json")
    assert (ran.code, ran.err) == (0, "")
    return json.loads(ran.out)


@pytest.mark.parametrize("name", PRESETS)
def test_every_published_checkpoint_is_known_without_its_files(bartleby, monkeypatch, name):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    known = facts(bartleby, name)
    assert known["name"] == name
    assert known["bytes"] == {"float32": 4 * known["parameters"], "float16": 2 * known["parameters"]}


def test_bart_base_is_what_was_published(bartleby):
    known = facts(bartleby, "facebook/bart-base")
    assert known["parameters"] == 139_420_416  # counted in the published file
    assert (known["sizes"]["encoder_layers"], known["sizes"]["decoder_layers"]) == (6, 6)
    assert known["decoding"]["num_beams"] == 4
    assert known["tokenizer"]["class"] == "BartTokenizer"
    assert known["turn layout"] is None
    assert known["switches"]["position_offset"] == 2


def test_blenderbot_has_both_decoding_contracts_and_a_turn_layout(bartleby):
    known = facts(bartleby, "blenderbot-400M-distill")  # the owner may be left out
    assert known["name"] == "facebook/blenderbot-400M-distill"
    assert known["decoding"]["min_length"] == 20
    assert known["decoding in ParlAI"]["beam_min_length"] == 20
    assert known["turn layout"]["separator"] == "  "
    assert known["switches"]["norm_first"] is True


def test_a_classifier_is_counted_with_its_own_head(bartleby, tiny_chat, tmp_path):
    folder = shutil.copytree(tiny_chat, tmp_path / "classifier")
    config = json.loads((folder / "config.json").read_text())
    writing = facts(bartleby, folder)
    config["architectures"] = ["BlenderbotForSequenceClassification"]
    (folder / "config.json").write_text(json.dumps(config))
    known = facts(bartleby, folder)
    width, labels = config["d_model"], len(config["id2label"])
    assert (writing["head"], known["head"]) == ("conditional_generation", "sequence_classification")
    assert known["parameters"] - writing["parameters"] == width * width + width + labels * width + labels


def test_a_folder_is_described_by_its_own_files(bartleby, tiny_chat):
    known = facts(bartleby, tiny_chat)
    assert known["weights"]["types"] == {"float32": known["weights"]["tensors"]}
    assert known["decoding"]["max_new_tokens"] == 8
    assert known["tokenizer"] == {
        "class": "BlenderbotTokenizerFast",
        "vocabulary": known["sizes"]["vocab_size"],
        "longest input": None,
    }


def test_a_folder_of_a_config_alone_is_described_too(bartleby, tiny_chat, tmp_path):
    shutil.copy(tiny_chat / "config.json", tmp_path)
    known = facts(bartleby, tmp_path)
    assert known["weights"] is None
    assert "unreadable" in known["tokenizer"]
    assert known["parameters"] == facts(bartleby, tiny_chat)["parameters"]


def test_weights_that_cannot_be_read_are_reported_beside_the_rest(bartleby, tiny_chat, tmp_path):
    folder = shutil.copytree(tiny_chat, tmp_path / "broken")
    (folder / "model.safetensors").write_bytes(b"torn")
    known = facts(bartleby, folder)
    assert "model.safetensors" in known["weights"]["unreadable"]
    assert known["parameters"] > 0


def test_every_embedded_checkpoint_holds_the_parameters_of_its_preset(bartleby):
    for name in embedded_names():
        known = facts(bartleby, name)
        assert known["weights"]["tensors"] > 0
        assert known["sizes"] == {size: getattr(PRESETS[name].config, size) for size in known["sizes"]}


def test_as_text_groups_are_indented_and_numbers_readable(bartleby):
    lines = bartleby("info", "facebook/bart-large-cnn").out.splitlines()
    assert "  float32  1,625,161,728 (1,625 MB)" in lines
    assert "decoding" in lines
    assert "  length_penalty        2.0" in lines
    assert "turn layout         -" in lines


def test_long_lists_are_shown_by_their_beginning(bartleby, tiny_chat):
    [line] = [line for line in bartleby("info", tiny_chat).out.splitlines() if "suppress_tokens" in line]
    assert line.endswith("in all]")


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("./no/such/folder", "There is no folder './no/such/folder'"),
        ("no name at all", "is neither an existing folder"),
    ],
)
def test_what_is_nowhere_is_refused(bartleby, name, complaint):
    ran = bartleby("info", name)
    assert (ran.code, ran.out) == (1, "")
    assert complaint in ran.err


def test_a_name_must_be_given(bartleby):
    assert bartleby("info").code == 2
