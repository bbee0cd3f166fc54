"""How declared fields are built, compared, and read from and written to JSON: shown on the three configs."""

from __future__ import annotations

import copy
import inspect
import json
import pickle

import numpy as np
import pytest

from bartleby import __version__, hub
from bartleby.documents import JOURNAL, document_bytes
from bartleby.errors import CheckpointError, ConfigError, FieldError, HubError, OptionError
from bartleby.family.config import BartConfig, BlenderbotConfig, BlenderbotSmallConfig, PreTrainedConfig
from bartleby.generation.config import GenerationConfig

FOREIGN = {
    "model_type": "bart",
    "transformers_version": "4.5.0",
    "architectures": ["BartForConditionalGeneration"],
    "_num_labels": 3,
    "classif_dropout": 0.0,
    "extra_pos_embeddings": 2,
    "num_hidden_layers": 12,
    "encoder_layers": 6,
    "task_specific_params": {"summarization": {"num_beams": 4}},
    "d_model": 32,
}


@pytest.fixture
def small() -> BartConfig:
    return BartConfig(vocab_size=60, d_model=32, encoder_layers=1, dropout=0.3, favourite_colour="green")


def test_arguments_come_in_their_published_order():
    config = BlenderbotConfig(100, 64, 3)
    assert (config.vocab_size, config.max_position_embeddings, config.encoder_layers) == (100, 64, 3)


@pytest.mark.parametrize(
    ("arguments", "fields"), [((100,), {"vocab_size": 100}), (range(60), {})], ids=["repeated", "too many"]
)
def test_calls_no_signature_allows_are_type_errors(arguments, fields):
    with pytest.raises(TypeError):
        BartConfig(*arguments, **fields)


def test_help_shows_the_published_signature():
    parameters = inspect.signature(BlenderbotSmallConfig).parameters
    assert list(parameters)[:2] == ["vocab_size", "max_position_embeddings"]
    assert parameters["d_model"].default == 512
    assert parameters["fields"].kind is inspect.Parameter.VAR_KEYWORD


def test_all_faults_are_told_at_once():
    with pytest.raises(ConfigError) as refusal:
        BartConfig(d_model="wide", dropout=2, use_cache="yes", to_dict=1)
    message = str(refusal.value)
    assert "4 faults" in message
    for name in ("d_model", "dropout", "use_cache", "to_dict"):
        assert f"`{name}`" in message


def test_unknown_fields_stay(small):
    assert small.favourite_colour == "green"
    assert small.to_dict()["favourite_colour"] == "green"
    assert BartConfig.from_dict(small.to_dict()).favourite_colour == "green"


@pytest.mark.parametrize(
    ("alias", "field"),
    [
        ("hidden_size", "d_model"),
        ("num_attention_heads", "encoder_attention_heads"),
        ("num_hidden_layers", "encoder_layers"),
    ],
)
def test_second_names_work_everywhere(alias, field):
    config = BartConfig(**{alias: 16})
    assert getattr(config, field) == getattr(config, alias) == 16
    setattr(config, alias, 32)
    assert getattr(config, field) == 32
    assert getattr(BartConfig.from_dict({field: 64}, **{alias: 128}), field) == 128
    assert alias not in config.to_dict()


def test_two_names_with_two_values_contradict():
    with pytest.raises(ConfigError, match=r"`d_model` must be given once, but is 16 and, as `hidden_size`, 32"):
        BartConfig(d_model=16, hidden_size=32)
    assert BartConfig(d_model=32, hidden_size=32).d_model == 32


def test_a_foreign_file_loses_nothing():
    config = BartConfig.from_dict(FOREIGN)
    assert config.encoder_layers == 6  # and not the remark beside it
    again = json.loads(config.to_json_string())
    kept = {name: value for name, value in FOREIGN.items() if name != "num_hidden_layers"}
    assert {name: again[name] for name in kept} == kept


def test_a_written_config_says_who_wrote_it(small):
    written = json.loads(small.to_json_string())
    assert written["bartleby_version"] == __version__
    assert "transformers_version" not in written
    assert "bartleby_version" not in vars(BartConfig.from_dict(written))


def test_a_written_config_holds_its_arguments_and_what_differs(small):
    written = small.to_diff_dict()
    assert written["activation_function"] == "gelu"  # an argument, though at its default
    assert "max_length" not in written
    small.max_length = 60
    assert small.to_diff_dict()["max_length"] == 60
    assert "max_position_embeddings" in small.to_dict()


def test_reading_does_not_share_what_was_read():
    source = {"task_specific_params": {"a": [1]}}
    config = BartConfig.from_dict(source)
    source["task_specific_params"]["a"].append(2)
    assert config.task_specific_params == {"a": [1]}
    config.to_dict()["task_specific_params"]["a"].append(3)
    assert config.task_specific_params == {"a": [1]}


def test_configs_do_not_share_defaults():
    BartConfig().pruned_heads["1"] = [2]
    assert BartConfig().pruned_heads == {}


def test_keywords_replace_fields_and_unused_ones_come_back():
    config, unused = BartConfig.from_dict({"d_model": 32}, return_unused_kwargs=True, dropout=0.2, foo=False)
    assert (config.d_model, config.dropout, unused) == (32, 0.2, {"foo": False})


def test_a_mistyped_keyword_is_refused_with_a_suggestion():
    with pytest.raises(FieldError, match=r"`droput` is not a field\. Did you mean `dropout`"):
        BartConfig.from_dict({}, droput=0.2)


def test_the_class_is_chosen_by_model_type():
    assert type(PreTrainedConfig.from_dict({"model_type": "blenderbot-small"})) is BlenderbotSmallConfig
    with pytest.raises(ConfigError, match="must be one of bart, blenderbot, blenderbot-small, but is 't5'"):
        PreTrainedConfig.from_dict({"model_type": "t5"})
    with pytest.raises(ConfigError, match="must be one of"):
        PreTrainedConfig.from_dict({})


def test_another_models_file_is_refused_with_its_class():
    with pytest.raises(ConfigError, match="Use BlenderbotConfig"):
        BartConfig.from_dict({"model_type": "blenderbot"})
    with pytest.raises(ConfigError, match="`model_type` must be 'bart'"):
        BartConfig(model_type="blenderbot")
    assert BartConfig(**BartConfig(d_model=32).to_dict()).d_model == 32


def test_a_subclass_reads_files_of_its_model():
    class QuietBartConfig(BartConfig):
        whisper: bool = True

    config = QuietBartConfig.from_dict({"model_type": "bart", "d_model": 32})
    assert type(config) is QuietBartConfig
    assert config.whisper is True


def test_folders_and_files_round_trip(small, tmp_path):
    small.save_pretrained(tmp_path / "new" / "folder")
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == ["config.json"]
    for place in (tmp_path / "new" / "folder", str(tmp_path / "new" / "folder" / "config.json")):
        loaded = BartConfig.from_pretrained(place)
        assert loaded == small
        assert loaded.name_or_path == str(place)
    assert BartConfig.from_json_file(tmp_path / "new" / "folder" / "config.json") == small
    assert PreTrainedConfig.from_pretrained(tmp_path / "new" / "folder", dropout=0.5).dropout == 0.5


def test_where_a_config_came_from_is_not_written(small, tmp_path):
    small.name_or_path = "facebook/bart-base"
    assert small._name_or_path == "facebook/bart-base"
    assert "bart-base" not in small.to_json_string()
    assert small == BartConfig.from_dict(small.to_diff_dict())


def test_embedded_checkpoints_are_found_by_name(small, tmp_path, monkeypatch):
    monkeypatch.setattr(hub, "ASSETS", tmp_path)
    small.save_pretrained(tmp_path / "tiny")
    assert BartConfig.from_pretrained("tiny", revision="main") == small


def test_keywords_of_the_hub_do_not_reach_the_fields(monkeypatch, small, tmp_path):
    asked = {}

    def resolve(name, **options):
        asked.update(options)
        return tmp_path

    monkeypatch.setattr("bartleby.family.record.resolve", resolve)
    small.save_pretrained(tmp_path)
    found, rest = BartConfig.get_config_dict("a/b", use_auth_token="x", revision="v1", cache_dir=None, dropout=0.1)
    assert asked == {"weights": False, "token": "x", "revision": "v1"}
    assert rest == {"dropout": 0.1}
    assert found["d_model"] == 32


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is no (usable )?JSON"),
        ("[" * 100_000, "is no (usable )?JSON"),
        ("[1]", "must hold a JSON object"),
        (None, "There is no config.json"),
    ],
)
def test_unreadable_files_are_refused(tmp_path, content, words):
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(CheckpointError, match=words):
        BartConfig.from_pretrained(tmp_path)


def test_a_missing_folder_is_refused():
    with pytest.raises(HubError, match="There is no folder"):
        BartConfig.from_pretrained("./nowhere")


def test_saving_refuses_what_loading_would(small, tmp_path):
    small.d_model = 33
    with pytest.raises(ConfigError, match="divisible"):
        small.save_pretrained(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_saving_refuses_files_and_uploads(small, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match="must be a folder"):
        small.save_pretrained(tmp_path / "file")
    with pytest.raises(OptionError, match="push_to_hub"):
        small.save_pretrained(tmp_path, push_to_hub=True)


def test_what_json_cannot_hold_is_named(small):
    small.odd = {1, 2}
    with pytest.raises(ConfigError, match=r"`odd` must be something JSON can hold, but is \{1, 2\}"):
        small.to_json_string()
    assert "{1, 2}" in repr(small)


def test_update_changes_all_or_nothing(small):
    small.update({"dropout": 0.5, "hidden_size": 64})
    assert (small.dropout, small.d_model) == (0.5, 64)
    with pytest.raises(ConfigError):
        small.update({"dropout": 0.9, "d_model": 1})
    assert (small.dropout, small.d_model) == (0.5, 64)


def test_update_from_text(small):
    small.update_from_string("dropout=0.25,scale_embedding=true,activation_function=relu")
    assert (small.dropout, small.scale_embedding, small.activation_function) == (0.25, True, "relu")
    with pytest.raises(ConfigError, match="Did you mean `dropout`"):
        small.update_from_string("dropuot=0.25")


def test_copies_are_equal_and_apart(small):
    for twin in (copy.deepcopy(small), pickle.loads(pickle.dumps(small))):
        assert twin == small
        twin.label2id["x"] = 9
        twin.d_model = 64
        assert twin != small
    assert "x" not in small.label2id


def test_two_classes_are_never_equal():
    fields = {"d_model": 512, "encoder_layers": 8}
    assert BlenderbotSmallConfig(**fields) != BlenderbotConfig(**fields)
    assert BartConfig() != "bart"


def test_the_printed_config_names_its_class_and_fields(small):
    assert repr(small).startswith("BartConfig {")
    assert '"favourite_colour": "green"' in repr(small)


def test_where_a_config_came_from_is_known_and_not_compared(tmp_path):
    config = BartConfig(name_or_path="facebook/bart-base")
    assert config.to_dict()["_name_or_path"] == "facebook/bart-base"
    config.save_pretrained(tmp_path)
    loaded = BartConfig.from_pretrained(tmp_path)
    assert loaded.name_or_path == str(tmp_path)
    assert loaded.to_dict() == BartConfig().to_dict()
    loaded.name_or_path = "mine"
    assert loaded.name_or_path == loaded._name_or_path == "mine"
    assert loaded == config


@pytest.mark.parametrize(
    "older", [{"use_auth_token": "t"}, {"resume_download": True}, {"trust_remote_code": True}, {"_from_auto": True}]
)
def test_keywords_of_older_releases_do_no_harm(tmp_path, older):
    BartConfig().save_pretrained(tmp_path)
    assert BartConfig.from_pretrained(tmp_path, **older) == BartConfig()


def test_a_config_may_lie_in_a_subfolder(tmp_path):
    BartConfig(d_model=64).save_pretrained(tmp_path / "inner")
    assert BartConfig.from_pretrained(tmp_path, subfolder="inner").d_model == 64


def test_nothing_is_pushed():
    with pytest.raises(OptionError, match="hf upload"):
        BartConfig().push_to_hub("name")


def test_types_of_numbers_in_a_dictionary_become_text():
    fields = {"torch_dtype": np.dtype("float16"), "inner": {"dtype": "float32"}, "dtype": None, "d_model": 8}
    BartConfig().dict_torch_dtype_to_str(fields)
    assert fields == {"torch_dtype": "float16", "inner": {"dtype": "float32"}, "dtype": None, "d_model": 8}


def test_passing_attributes_are_not_written():
    config = BartConfig(_commit_hash="abc")
    config._attn_implementation = "eager"
    assert config._commit_hash == "abc"
    assert {"_commit_hash", "_attn_implementation"}.isdisjoint(config.to_dict())
    assert config == BartConfig()


def test_a_config_is_found_after_a_save_that_was_stopped(tmp_path):
    BartConfig(d_model=64).save_pretrained(tmp_path)
    (tmp_path / "config.json").rename(tmp_path / ".saving-1-config.json")
    BartConfig(d_model=32).save_pretrained(tmp_path)
    journal = {"moves": {".saving-1-config.json": "config.json"}, "removals": []}
    (tmp_path / JOURNAL).write_bytes(document_bytes(journal))
    assert BartConfig.from_pretrained(tmp_path).d_model == 64


def test_options_are_found_after_a_save_that_was_stopped(tmp_path):
    GenerationConfig(num_beams=7).save_pretrained(tmp_path)
    (tmp_path / "generation_config.json").rename(tmp_path / ".saving-1-generation_config.json")
    journal = {"moves": {".saving-1-generation_config.json": "generation_config.json"}, "removals": []}
    (tmp_path / JOURNAL).write_bytes(document_bytes(journal))
    assert GenerationConfig.from_pretrained(tmp_path).num_beams == 7
