import json
from pathlib import Path
from typing import Any

import pytest

from bartleby.errors import TokenizerError
from bartleby.family.config import BartConfig
from bartleby.tokenization import auto
from bartleby.tokenization.auto import AutoTokenizer
from bartleby.tokenization.byte_level import (
    BartTokenizer,
    BartTokenizerFast,
    BlenderbotTokenizer,
    BlenderbotTokenizerFast,
)


@pytest.fixture
def folder(bart: BartTokenizer, tmp_path: Path) -> Path:
    """A folder that has a vocabulary and does not say whose it is."""
    bart.save_pretrained(tmp_path)
    (tmp_path / "tokenizer_config.json").unlink()
    return tmp_path


def say(folder: Path, name: str, **content: Any) -> None:
    (folder / name).write_text(json.dumps(content))


@pytest.mark.parametrize("kind", [BartTokenizer, BartTokenizerFast, BlenderbotTokenizer, BlenderbotTokenizerFast])
def test_a_saved_tokenizer_comes_back_in_the_class_that_is_asked_for(
    kind: type[BartTokenizer], bart: BartTokenizer, tmp_path: Path
) -> None:
    kind(tokenizer_object=bart.backend_tokenizer, model_max_length=99).save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    fast = {BartTokenizer: BartTokenizerFast, BlenderbotTokenizer: BlenderbotTokenizerFast}.get(kind, kind)
    assert type(loaded) is fast  # as published, unless something else is said
    assert loaded.model_max_length == 99
    plain = AutoTokenizer.from_pretrained(str(tmp_path), use_fast=False, padding_side="left")
    assert type(plain).__name__ == fast.__name__.removesuffix("Fast")


def test_the_model_says_it_where_the_tokenizer_does_not(folder: Path) -> None:
    say(folder, "config.json", model_type="blenderbot")
    assert type(AutoTokenizer.from_pretrained(folder)) is BlenderbotTokenizerFast
    say(folder, "tokenizer_config.json", tokenizer_class="TokenizersBackend")
    assert type(AutoTokenizer.from_pretrained(folder)) is BlenderbotTokenizerFast
    say(folder, "config.json", model_type="blenderbot", tokenizer_class="BartTokenizer")
    assert type(AutoTokenizer.from_pretrained(folder)) is BartTokenizerFast
    say(folder, "tokenizer_config.json", tokenizer_class="RobertaTokenizerFast")
    assert type(AutoTokenizer.from_pretrained(folder)) is BartTokenizerFast


def test_other_families_are_refused_by_naming_ours(folder: Path) -> None:
    with pytest.raises(
        TokenizerError, match=r"no tokenizer_config\.json and no model_type; supported are bart, blenderbot"
    ):
        AutoTokenizer.from_pretrained(folder)
    say(folder, "config.json", model_type=["bart"])
    with pytest.raises(TokenizerError, match=r"model_type \['bart'\]; supported are bart"):
        AutoTokenizer.from_pretrained(folder)
    say(folder, "config.json", model_type="t5")
    with pytest.raises(TokenizerError, match="'t5'; supported are bart, blenderbot, blenderbot-small"):
        AutoTokenizer.from_pretrained(folder)
    say(folder, "tokenizer_config.json", tokenizer_class="T5Tokenizer")
    with pytest.raises(TokenizerError, match="asks for T5Tokenizer; supported are BartTokenizer"):
        AutoTokenizer.from_pretrained(folder)


def test_a_forced_download_is_done_once(bart: BartTokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bart.save_pretrained(tmp_path)
    asked: list[dict[str, Any]] = []

    def resolve(name: str, **options: Any) -> Path:
        asked.append(options)
        return tmp_path

    monkeypatch.setattr("bartleby.hub.resolve", resolve)
    assert AutoTokenizer.from_pretrained("owner/name", force_download=True, revision="v1").name_or_path == "owner/name"
    assert [options.get("force_download", False) for options in asked] == [True, False]
    assert {options["revision"] for options in asked} == {"v1"}


def test_it_is_a_door_and_not_a_tokenizer() -> None:
    with pytest.raises(TokenizerError, match=r"AutoTokenizer\.from_pretrained"):
        AutoTokenizer()


def test_a_class_of_ones_own_is_loaded_by_its_name(bart: BartTokenizer, tmp_path: Path) -> None:
    class QuillTokenizer(BartTokenizer):
        pass

    QuillTokenizer(tokenizer_object=bart.backend_tokenizer).save_pretrained(tmp_path)
    with pytest.raises(TokenizerError, match="asks for QuillTokenizer"):
        AutoTokenizer.from_pretrained(tmp_path)
    QuillTokenizer.register_for_auto_class()
    try:
        assert type(AutoTokenizer.from_pretrained(tmp_path, use_fast=True)) is QuillTokenizer
    finally:
        del auto.TOKENIZER_CLASSES["QuillTokenizer"]
    with pytest.raises(TokenizerError, match="must be 'AutoTokenizer'"):
        QuillTokenizer.register_for_auto_class("AutoModel")


def test_a_model_type_may_get_a_tokenizer(bart: BartTokenizer) -> None:
    class QuillConfig(BartConfig):
        model_type = "quill"

    with pytest.raises(TokenizerError, match="'bart' has a tokenizer"):
        AutoTokenizer.register(BartConfig, BartTokenizer)
    namesake = type("BartTokenizer", (BartTokenizer,), {})
    with pytest.raises(TokenizerError, match="BartTokenizer is the name of another tokenizer"):
        AutoTokenizer.register(QuillConfig, namesake)
    assert auto.TOKENIZER_CLASSES["BartTokenizer"] is BartTokenizer
    AutoTokenizer.register(QuillConfig, fast_tokenizer_class=BartTokenizerFast)
    try:
        assert auto.BY_MODEL_TYPE["quill"] is BartTokenizerFast
    finally:
        del auto.BY_MODEL_TYPE["quill"]
