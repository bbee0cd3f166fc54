import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import AddedToken

from bartleby.errors import CheckpointError, TokenizerError
from bartleby.tokenization.byte_level import (
    BartTokenizer,
    BartTokenizerFast,
    BlenderbotTokenizer,
    ByteLevelTokenizer,
)

TEXT = " Hello <mask> world<new>, it 's <a>\n\n café </s>"


def same(one: ByteLevelTokenizer, other: ByteLevelTokenizer) -> bool:
    """Whether two tokenizers know the same tokens and treat text alike."""
    tokens = {index: repr(token) for index, token in one.added_tokens_decoder.items()}
    return (
        tokens == {index: repr(token) for index, token in other.added_tokens_decoder.items()}
        and one.get_vocab() == other.get_vocab()
        and one(TEXT, return_offsets_mapping=True) == other(TEXT, return_offsets_mapping=True)
        and one.special_tokens_map == other.special_tokens_map
        and one.decode(one(TEXT)["input_ids"]) == other.decode(other(TEXT)["input_ids"])
    )


@pytest.fixture
def grown(blenderbot: BlenderbotTokenizer) -> BlenderbotTokenizer:
    """With everything set that can be."""
    blenderbot.add_tokens([AddedToken("<new>", rstrip=True)])
    blenderbot.add_special_tokens({"additional_special_tokens": ["<a>"], "cls_token": "<cls>"})
    blenderbot.add_prefix_space = False
    blenderbot.padding_side = "left"
    blenderbot.truncation_side = "left"
    blenderbot.clean_up_tokenization_spaces = False
    blenderbot.chat_template = "{{ messages[0].content }}"
    return blenderbot


@pytest.mark.parametrize(
    "left_out", [(), ("tokenizer.json",), ("vocab.json", "merges.txt"), ("special_tokens_map.json",)]
)
def test_a_folder_holds_everything_twice(grown: BlenderbotTokenizer, tmp_path: Path, left_out: tuple[str, ...]) -> None:
    paths = grown.save_pretrained(tmp_path)
    assert sorted(Path(path).name for path in paths) == sorted(path.name for path in tmp_path.iterdir())
    for name in left_out:
        (tmp_path / name).unlink()
    again = BlenderbotTokenizer.from_pretrained(tmp_path)
    assert same(again, grown)
    kept = ("padding_side", "truncation_side", "clean_up_tokenization_spaces", "chat_template", "model_max_length")
    assert [getattr(again, name) for name in kept] == [getattr(grown, name) for name in kept]
    assert again.add_prefix_space is False
    assert again.name_or_path == str(tmp_path)
    assert again.additional_special_tokens == ["<a>"]
    assert again.init_kwargs.keys() == grown.init_kwargs.keys()


def test_arguments_win_over_files(grown: BlenderbotTokenizer, tmp_path: Path) -> None:
    grown.save_pretrained(tmp_path)
    again = BlenderbotTokenizer.from_pretrained(tmp_path, add_prefix_space=True, padding_side="right", eos_token="<s>")
    assert (again.add_prefix_space, again.padding_side, again.eos_token) == (True, "right", "<s>")
    assert again("Hello")["input_ids"][-1] == again.bos_token_id


def test_the_class_is_written_down(bart: BartTokenizer, tmp_path: Path) -> None:
    for kind in (BartTokenizer, BartTokenizerFast):
        kind(tokenizer_object=bart.backend_tokenizer).save_pretrained(tmp_path)
        config = json.loads((tmp_path / "tokenizer_config.json").read_text())
        assert config["tokenizer_class"] == kind.__name__
        assert "name_or_path" not in config


def test_formats_can_be_chosen(bart: BartTokenizer, tmp_path: Path) -> None:
    bart.save_pretrained(tmp_path / "old", legacy_format=True)
    bart.save_pretrained(tmp_path / "new", legacy_format=False, filename_prefix="mine")
    common = ["special_tokens_map.json", "tokenizer_config.json"]
    assert sorted(path.name for path in (tmp_path / "old").iterdir()) == ["merges.txt", *common, "vocab.json"]
    names = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert names == sorted(f"mine-{name}" for name in [*common, "tokenizer.json"])
    vocabulary = bart.save_vocabulary(tmp_path / "vocabulary", filename_prefix="mine")
    assert [Path(path).name for path in vocabulary] == ["mine-vocab.json", "mine-merges.txt"]
    assert same(BartTokenizer(*vocabulary), bart)


def test_a_folder_without_a_vocabulary_names_what_it_needs(tmp_path: Path) -> None:
    (tmp_path / "vocab.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"no merges\.txt, tokenizer\.json: it needs tokenizer\.json, or vocab"):
        BartTokenizer.from_pretrained(tmp_path)


def test_folders_of_older_releases_say_their_tokens_in_other_files(bart: BartTokenizer, tmp_path: Path) -> None:
    bart.add_special_tokens({"additional_special_tokens": ["<a>"]})
    bart.add_tokens(["<new>"])
    bart.save_pretrained(tmp_path, legacy_format=True)
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    kept = {"model_max_length": 77, "unknown_key": 1, "unk_token": {"__type": "AddedToken", "content": "<unk>"}}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(kept))
    assert "added_tokens_decoder" in config
    again = BartTokenizer.from_pretrained(tmp_path)
    assert again.get_vocab() == bart.get_vocab()
    assert again(TEXT) == bart(TEXT)
    assert again.additional_special_tokens == ["<a>"]
    assert again.added_tokens_decoder[420].special
    assert not again.added_tokens_decoder[421].special
    assert again.model_max_length == 77


def test_added_tokens_whose_ids_do_not_fit_are_refused(bart: BartTokenizer, tmp_path: Path) -> None:
    bart.add_tokens(["<new>"])
    bart.save_pretrained(tmp_path, legacy_format=True)
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    config["added_tokens_decoder"]["500"] = config["added_tokens_decoder"].pop("420")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    with pytest.raises(TokenizerError, match="<new> has id 420, not 500"):
        BartTokenizer.from_pretrained(tmp_path)


def test_templates_lie_in_the_configuration_or_beside_it(bart: BartTokenizer, tmp_path: Path) -> None:
    bart.chat_template = {"default": "a", "other": "b"}
    bart.save_pretrained(tmp_path)
    assert BartTokenizer.from_pretrained(tmp_path).chat_template == {"default": "a", "other": "b"}
    (tmp_path / "chat_template.jinja").write_text("c")
    assert BartTokenizer.from_pretrained(tmp_path).chat_template == "c"


def change(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"model_max_length": "x"}, "`model_max_length` must be a whole number"),
        ({"model_max_length": 12.5}, "`model_max_length` must be a whole number"),
        ({"errors": 5}, "`errors` must be a text"),
        ({"add_prefix_space": "false"}, "`add_prefix_space` must be true or false"),
        ({"special_tokens_pattern": [1], "verbose": 1}, "(?s)2 faults.*`special_tokens_pattern`.*`verbose`"),
        ({"chat_template": 5}, "`chat_template` must be a text"),
        ({"chat_template": [1]}, "`chat_template` must list templates with names"),
        ({"added_tokens_decoder": {"a": "b"}}, "`added_tokens_decoder` must map ids to tokens"),
        ({"added_tokens_decoder": [1]}, "`added_tokens_decoder` must map ids to tokens"),
        ({"added_tokens_decoder": {"3": ["b"]}}, "`added_tokens_decoder` must be non-empty strings"),
        ({"added_tokens_decoder": {"3": {"content": "<unk>", "special": "x"}}}, "does not describe an added token"),
        ({"additional_special_tokens": "<a>"}, "must be a list, but is '<a>'"),
        ({"model_input_names": 5}, "`model_input_names` must be a list"),
    ],
)
def test_a_file_may_say_anything_and_is_refused_by_name(
    bart: BartTokenizer, tmp_path: Path, fields: dict[str, Any], said: str
) -> None:
    bart.save_pretrained(tmp_path)
    change(tmp_path / "tokenizer_config.json", **fields)
    with pytest.raises(TokenizerError, match=said):
        BartTokenizer.from_pretrained(tmp_path)


def test_a_length_may_be_written_as_a_fraction(bart: BartTokenizer, tmp_path: Path) -> None:
    bart.save_pretrained(tmp_path)
    change(tmp_path / "tokenizer_config.json", model_max_length=4.0)
    assert len(BartTokenizer.from_pretrained(tmp_path)("Hello world, how are you?", truncation=True).input_ids) == 4


def test_special_tokens_are_all_that_their_file_can_say(bart: BartTokenizer, tmp_path: Path) -> None:
    bart.save_pretrained(tmp_path, legacy_format=True)
    (tmp_path / "tokenizer_config.json").unlink()
    change(
        tmp_path / "special_tokens_map.json", tokenizer_file="/elsewhere", vocab={"evil": 0}, merges=[], boi_token="x"
    )
    assert same(BartTokenizer.from_pretrained(tmp_path), bart)
    (tmp_path / "added_tokens.json").write_text('{"<x>": "y"}')
    with pytest.raises(TokenizerError, match=r"added_tokens\.json must map tokens to ids"):
        BartTokenizer.from_pretrained(tmp_path)


def test_a_save_leaves_nothing_of_the_tokenizer_that_was_there(bart: BartTokenizer, tmp_path: Path) -> None:
    bart.save_pretrained(tmp_path)
    (tmp_path / "chat_template.jinja").write_text("old")
    (tmp_path / "config.json").write_text("{}")
    other = BartTokenizer().train_new_from_iterator(["other words"], 300)
    other.chat_template = "new"
    other.save_pretrained(tmp_path, legacy_format=True)
    again = BartTokenizer.from_pretrained(tmp_path)
    assert again.get_vocab() == other.get_vocab()
    assert again.chat_template == "new"
    assert (tmp_path / "config.json").exists()


@pytest.mark.parametrize("name", ["merges.txt", "chat_template.jinja"])
def test_bytes_that_are_no_text_are_refused(bart: BartTokenizer, tmp_path: Path, name: str) -> None:
    bart.save_pretrained(tmp_path, legacy_format=True)
    (tmp_path / name).write_bytes(b"\xff")
    with pytest.raises(TokenizerError, match=f"{name} is not UTF-8 text"):
        BartTokenizer.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"push_to_hub": True}, "hf upload"),
        ({"save_format": "mistral"}, "save_format"),
        ({"prefix": "x"}, "option prefix"),
    ],
)
def test_what_saving_cannot_do_is_refused(
    bart: BartTokenizer, tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(TokenizerError, match=said):
        bart.save_pretrained(tmp_path, **options)
    assert not list(tmp_path.iterdir())


def test_arguments_of_other_releases_do_no_harm(bart: BartTokenizer, tmp_path: Path) -> None:
    bart.save_pretrained(tmp_path)
    assert same(BartTokenizer.from_pretrained(tmp_path, use_fast=True, trust_remote_code=False), bart)
    with pytest.raises(TokenizerError, match="Did you mean `padding_side`"):
        BartTokenizer.from_pretrained(tmp_path, paddingside="left")


@pytest.mark.parametrize("kind", ["bart", "blenderbot"])
def test_the_reference_library_reads_our_folders(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    transformers = pytest.importorskip("transformers")
    ours = request.getfixturevalue(kind)
    ours.add_tokens(["<new>"])
    ours.add_special_tokens({"additional_special_tokens": ["<a>"]})
    ours.save_pretrained(tmp_path)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert theirs(TEXT)["input_ids"] == ours(TEXT)["input_ids"]
    assert theirs.get_vocab() == ours.get_vocab()
    assert theirs.pad_token_id == ours.pad_token_id
    theirs.save_pretrained(tmp_path / "back")
    assert type(ours).from_pretrained(tmp_path / "back")(TEXT) == ours(TEXT)


@pytest.mark.parametrize("templates", ["{{ messages }}", {"default": "a", "tool_use": "b"}])
def test_chat_templates_may_be_files_of_their_own(bart: BartTokenizer, tmp_path: Path, templates: Any) -> None:
    bart.chat_template = templates
    files = bart.save_pretrained(tmp_path, save_jinja_files=True)
    assert (tmp_path / "chat_template.jinja").is_file()
    assert "chat_template" not in json.loads((tmp_path / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert all(Path(file).is_file() for file in files)
    assert BartTokenizer.from_pretrained(tmp_path).chat_template == templates
    bart.chat_template = None
    bart.save_pretrained(tmp_path)
    assert BartTokenizer.from_pretrained(tmp_path).chat_template is None


def test_chat_templates_can_be_saved_alone(bart: BartTokenizer, tmp_path: Path) -> None:
    bart.chat_template = "{{ messages }}"
    config, files = bart.save_chat_templates(tmp_path, {"chat_template": "old", "errors": "replace"})
    assert config == {"errors": "replace"}
    assert [Path(file).name for file in files] == ["chat_template.jinja"]
    config, files = bart.save_chat_templates(tmp_path, {"errors": "replace"}, save_jinja_files=False)
    assert config == {"chat_template": "{{ messages }}", "errors": "replace"}
    assert files == []
    bart.chat_template = {"../default": "a"}
    with pytest.raises(TokenizerError, match="a name that can be a file's"):
        bart.save_chat_templates(tmp_path, {})


def test_added_tokens_turn_into_fields_and_back() -> None:
    token = AddedToken("<a>", lstrip=True, special=True)
    nested = {"tokens": [token, "<b>"], "one": token}
    saved = BartTokenizer.convert_added_tokens(nested, save=True)
    assert saved["one"]["__type"] == "AddedToken"
    assert json.loads(json.dumps(saved)) == saved
    assert BartTokenizer.convert_added_tokens(saved) == nested
    assert BartTokenizer.convert_added_tokens(token, save=True, add_type_field=False).keys() == {
        "content",
        "single_word",
        "lstrip",
        "rstrip",
        "normalized",
    }


def test_nothing_is_pushed(bart: BartTokenizer, tmp_path: Path) -> None:
    with pytest.raises(TokenizerError, match="hf upload"):
        bart.push_to_hub("name")
