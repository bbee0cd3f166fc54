import pytest

from bartleby.errors import ConfigError
from bartleby.family import architecture
from bartleby.family.architecture import ARCHITECTURES, architecture_of
from bartleby.family.config import BlenderbotConfig


def test_only_blenderbot_normalises_before_its_sublayers_and_then_needs_a_last_norm() -> None:
    assert [name for name, switches in ARCHITECTURES.items() if switches.norm_first] == ["blenderbot"]
    assert all(switches.norm_first == switches.final_norm for switches in ARCHITECTURES.values())


def test_only_bart_skips_two_rows_of_its_position_table() -> None:
    assert {name: switches.position_offset for name, switches in ARCHITECTURES.items()} == {
        "bart": 2,
        "blenderbot": 0,
        "blenderbot-small": 0,
    }


def test_the_decoder_of_the_small_model_normalises_before_positions_are_added() -> None:
    small = architecture_of("blenderbot-small")
    assert (small.encoder_embedding_norm, small.decoder_embedding_norm) == ("after_positions", "before_positions")


def test_an_unknown_model_is_refused_with_the_names_of_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"bart, blenderbot, blenderbot-small, but is 't5'"):
        architecture_of("t5")


def test_a_callers_own_model_type_is_built_as_its_parents(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(architecture, "_OWN", {})

    class OwnConfig(BlenderbotConfig):
        model_type = "own-blenderbot-of-this-test"

    assert architecture_of(OwnConfig.model_type) == architecture_of("blenderbot")
