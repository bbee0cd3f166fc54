import json
from pathlib import Path

import pytest

from bartleby.generation.options import CHECKS, DEFAULTS, biases, is_misspelt, listed, unknown_option

UNCHECKED = {  # nothing but their default is accepted, or they decide nothing
    "dola_layers",
    "watermarking_config",
    "speculation_type",
    "continuous_batching_config",
    "transformers_version",
}


def test_every_published_option_is_known_with_the_default_that_takes_effect(shared: Path) -> None:
    old, new = (
        json.loads((shared / "api" / f"transformers-{release}.json").read_text())["classes"]["GenerationConfig"]
        for release in ("4.37.2", "5.23.0")
    )
    assert old["defaults"].keys() | new["defaults"].keys() <= DEFAULTS.keys()
    effective = {name: value for name, value in old["defaults"].items() if name != "transformers_version"}
    assert {name: DEFAULTS[name] for name in effective} == effective


def test_every_option_says_what_it_must_be() -> None:
    assert {name for name, check in CHECKS.items() if check is None} == UNCHECKED


def test_one_token_several_or_none() -> None:
    assert [listed(tokens) for tokens in (None, 2, [2, 5], (3,))] == [(), (2,), (2, 5), (3,)]


def test_both_published_forms_of_a_bias_say_the_same() -> None:
    assert biases({(1, 2): -1, (3,): 2.5}) == biases([[[1, 2], -1], [[3], 2.5]]) == {(1, 2): -1.0, (3,): 2.5}
    assert biases(None) == {}


@pytest.mark.parametrize(
    ("name", "misspelt"), [("num_beam", True), ("temprature", True), ("streamer", True), ("foo", False)]
)
def test_a_name_is_misspelt_where_nothing_else_can_be_meant(name: str, misspelt: bool) -> None:
    assert is_misspelt(name) is misspelt


def test_the_message_about_an_unknown_name_helps() -> None:
    assert unknown_option("num_beam") == "`num_beam` is not a decoding option. Did you mean `num_beams`?"
    assert "is an argument of `generate`" in unknown_option("assistant_model")
    assert unknown_option("xyzzy") == "`xyzzy` is not a decoding option."
