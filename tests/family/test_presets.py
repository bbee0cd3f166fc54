"""The presets are the published checkpoints: shapes, sizes, decoding and chat layout."""

from __future__ import annotations

import pytest

from bartleby.errors import OptionError
from bartleby.family.config import BartConfig, BlenderbotConfig, BlenderbotSmallConfig
from bartleby.family.parameters import parameter_count
from bartleby.family.presets import ALIASES, PRESETS, layout_of, preset_of
from bartleby.family.turns import LAYOUTS
from bartleby.generation.config import GenerationConfig

SHAPES = {  # d_model, encoder and decoder layers, heads, ffn, vocabulary, positions
    "facebook/bart-base": (768, 6, 6, 12, 3072, 50265, 1024),
    "facebook/bart-large": (1024, 12, 12, 16, 4096, 50265, 1024),
    "facebook/bart-large-cnn": (1024, 12, 12, 16, 4096, 50264, 1024),
    "facebook/bart-large-xsum": (1024, 12, 12, 16, 4096, 50264, 1024),
    "facebook/bart-large-mnli": (1024, 12, 12, 16, 4096, 50265, 1024),
    "sshleifer/distilbart-cnn-12-6": (1024, 12, 6, 16, 4096, 50264, 1024),
    "sshleifer/distilbart-cnn-12-3": (1024, 12, 3, 16, 4096, 50264, 1024),
    "sshleifer/distilbart-cnn-6-6": (1024, 6, 6, 16, 4096, 50264, 1024),
    "sshleifer/distilbart-xsum-12-6": (1024, 12, 6, 16, 4096, 50264, 1024),
    "sshleifer/distilbart-xsum-12-3": (1024, 12, 3, 16, 4096, 50264, 1024),
    "sshleifer/distilbart-xsum-12-1": (1024, 12, 1, 16, 4096, 50264, 1024),
    "sshleifer/distilbart-xsum-9-6": (1024, 9, 6, 16, 4096, 50264, 1024),
    "sshleifer/distilbart-xsum-6-6": (1024, 6, 6, 16, 4096, 50264, 1024),
    "sshleifer/distilbart-xsum-1-1": (1024, 1, 1, 16, 4096, 50264, 1024),
    "facebook/blenderbot-400M-distill": (1280, 2, 12, 32, 5120, 8008, 128),
    "facebook/blenderbot-1B-distill": (2560, 2, 12, 32, 10240, 8008, 128),
    "facebook/blenderbot-3B": (2560, 2, 24, 32, 10240, 8008, 128),
    "facebook/blenderbot_small-90M": (512, 8, 8, 16, 2048, 54944, 512),
    "bartleby-chat-mini": (256, 2, 6, 8, 1024, 8000, 128),
    "bartleby-summary-mini": (256, 4, 4, 8, 1024, 8000, 512),
}


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_has_the_published_shape(name):
    config = PRESETS[name].config
    assert SHAPES[name] == (
        config.d_model,
        config.encoder_layers,
        config.decoder_layers,
        config.encoder_attention_heads,
        config.encoder_ffn_dim,
        config.vocab_size,
        config.max_position_embeddings,
    )
    assert config.decoder_attention_heads == config.encoder_attention_heads
    assert config.decoder_ffn_dim == config.encoder_ffn_dim


def test_every_published_checkpoint_is_a_preset():
    assert PRESETS.keys() == SHAPES.keys()


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("bart-base", 139),
        ("bart-large", 406),
        ("distilbart-cnn-12-6", 306),
        ("distilbart-xsum-12-1", 222),
        ("distilbart-cnn-6-6", 230),
        ("blenderbot-400M-distill", 365),
        ("blenderbot-3B", 2696),
        ("bartleby-chat-mini", 10),
        ("bartleby-summary-mini", 10),
    ],
)
def test_parameter_counts_are_the_published_ones(name, millions):
    preset = preset_of(name)
    assert preset is not None
    assert round(parameter_count(preset.config) / 1e6) == millions


def test_the_summary_model_takes_less_than_twenty_megabytes_in_float16():
    header = 64_000  # names and shapes of the arrays, generously
    assert 2 * parameter_count(PRESETS["bartleby-summary-mini"].config) + header < 20_000_000


@pytest.mark.parametrize("name", PRESETS)
def test_published_decoding_options_are_options(name):
    GenerationConfig(**PRESETS[name].generation).validate()


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_names_its_source_and_a_layout_that_exists(name):
    preset = PRESETS[name]
    assert preset.source
    assert preset.layout is None or preset.layout in LAYOUTS


def test_bos_is_forced_by_the_checkpoint_and_not_by_the_family():
    assert PRESETS["facebook/bart-large-cnn"].generation["forced_bos_token_id"] == 0
    assert PRESETS["sshleifer/distilbart-cnn-12-3"].generation["forced_bos_token_id"] == 0
    for name in ("facebook/bart-large-xsum", "sshleifer/distilbart-xsum-12-6"):
        assert "forced_bos_token_id" not in PRESETS[name].generation


def test_students_decode_as_their_teachers():
    for name, preset in PRESETS.items():
        for task in ("cnn", "xsum"):
            if name.startswith(f"sshleifer/distilbart-{task}"):
                assert preset.generation == PRESETS[f"facebook/bart-large-{task}"].generation


def test_the_two_contracts_of_blender():
    preset = PRESETS["facebook/blenderbot-400M-distill"]
    assert (preset.generation["min_length"], preset.generation["max_length"]) == (20, 60)
    assert preset.parlai is not None
    assert preset.parlai["beam_min_length"] == 20
    assert preset.parlai["beam_block_ngram"] == preset.parlai["beam_context_block_ngram"] == 3
    assert {name for name, preset in PRESETS.items() if preset.parlai} == {
        name for name in PRESETS if name.startswith("facebook/blenderbot")
    }


def test_mnli_names_its_labels():
    preset = preset_of("bart-large-mnli")
    assert preset is not None
    assert preset.config.label2id == {"contradiction": 0, "neutral": 1, "entailment": 2}


def test_names_go_with_or_without_their_owner():
    assert preset_of("facebook/bart-base") is preset_of("bart-base") is PRESETS["facebook/bart-base"]
    assert preset_of("blenderbot-90M") is PRESETS[ALIASES["facebook/blenderbot-90M"]]
    for unknown in ("facebook/bart", "", "someone/bart-base", "./bart-base", "base"):
        assert preset_of(unknown) is None


def test_a_short_name_of_two_checkpoints_is_nobodys(monkeypatch):
    monkeypatch.setitem(PRESETS, "someone/bart-base", PRESETS["facebook/bart-large"])
    assert preset_of("bart-base") is None
    assert preset_of("facebook/bart-base") is PRESETS["facebook/bart-base"]


def test_every_config_is_new():
    preset = PRESETS["facebook/bart-base"]
    preset.config.d_model = 12
    assert preset.config.d_model == 768
    assert preset.config.name_or_path == "facebook/bart-base"


def test_the_layout_is_the_configs_own_then_the_presets_then_the_models():
    assert layout_of(BlenderbotConfig()) == LAYOUTS["two_spaces"]
    assert layout_of(BlenderbotSmallConfig(name_or_path="/home/me/blenderbot-3B")) == LAYOUTS["newline"]
    assert layout_of(PRESETS["bartleby-chat-mini"].config) == LAYOUTS["last_three"]
    named = BlenderbotConfig(name_or_path="bartleby-chat-mini", turn_layout="start_end")
    assert layout_of(named) == LAYOUTS["start_end"]


def test_a_model_without_a_layout_says_so():
    with pytest.raises(OptionError, match=r"must be one of two_spaces, .* but is None for this bart"):
        layout_of(BartConfig())
    with pytest.raises(OptionError, match="but is 'spiral'"):
        layout_of(BlenderbotConfig(turn_layout="spiral"))
