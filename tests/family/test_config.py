"""The three models' fields and defaults are the published ones, and sizes that contradict each other are refused."""

from __future__ import annotations

import inspect
import json
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bartleby.errors import ConfigError
from bartleby.family.config import (
    CONFIG_CLASSES,
    AutoConfig,
    BartConfig,
    BlenderbotConfig,
    BlenderbotSmallConfig,
    PreTrainedConfig,
    PretrainedConfig,
    config_class,
    config_from_dict,
)
from bartleby.family.fields import ACTIVATIONS
from bartleby.family.parameters import parameter_table

CLASSES = list(CONFIG_CLASSES.values())
RELEASES = ["transformers-4.37.2.json", "transformers-5.23.0.json"]


@st.composite
def valid_fields(draw):
    """Fields that belong together, some under a second name, some unknown to us."""
    vocabulary = draw(st.integers(1, 60_000))
    token = st.none() | st.integers(0, vocabulary - 1)
    tokens = token | st.lists(st.integers(0, vocabulary - 1), max_size=3)
    heads = draw(st.lists(st.sampled_from([1, 2, 4, 8]), min_size=2, max_size=2))
    share = st.floats(0, 1)
    optional = {
        "encoder_layers": st.integers(1, 30),
        "decoder_ffn_dim": st.integers(1, 9000),
        "dropout": share,
        "decoder_layerdrop": share,
        "init_std": st.floats(0, 5),
        "scale_embedding": st.booleans(),
        "is_decoder": st.booleans(),
        "activation_function": st.sampled_from(ACTIVATIONS),
        "num_labels": st.integers(1, 5),
        "architectures": st.none() | st.lists(st.text(max_size=5), max_size=2),
        "dtype": st.sampled_from([None, "float32", "bfloat16"]),
        "num_beams": st.integers(1, 12),
        "early_stopping": st.sampled_from([True, False, "never"]),
        "forced_bos_token_id": token,
        "some_field_of_ours": st.none() | st.integers() | st.text() | st.lists(st.integers()),
        "task_specific_params": st.dictionaries(st.text(), st.dictionaries(st.text(), st.integers()), max_size=2),
    }
    return {
        "vocab_size": vocabulary,
        "pad_token_id": draw(token),
        "bos_token_id": draw(token),
        "eos_token_id": draw(tokens),
        "forced_eos_token_id": draw(tokens),
        "decoder_start_token_id": draw(token),
        draw(st.sampled_from(["d_model", "hidden_size"])): 8 * draw(st.integers(1, 200)),
        "encoder_attention_heads": heads[0],
        "decoder_attention_heads": heads[1],
        **draw(st.fixed_dictionaries({}, optional=optional)),
    }


@given(st.sampled_from(CLASSES), valid_fields())
def test_every_valid_config_survives_a_dictionary_and_json(cls, fields):
    config = cls(**fields)
    assert cls.from_dict(config.to_dict()) == config
    assert config_from_dict(config.to_diff_dict()) == config
    for use_diff in (True, False):
        assert config_from_dict(json.loads(config.to_json_string(use_diff))) == config


@settings(max_examples=25)
@given(st.sampled_from(CLASSES), valid_fields())
def test_every_valid_config_survives_a_folder(tmp_path_factory, cls, fields):
    folder = tmp_path_factory.mktemp("config")
    config = cls(**fields)
    config.save_pretrained(folder)
    assert PreTrainedConfig.from_pretrained(folder) == config


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("cls", CLASSES)
def test_every_published_default_is_ours(shared, cls, release):
    published = json.loads((shared / "api" / release).read_text())["classes"][cls.__name__]["defaults"]
    config = cls()
    del published["transformers_version"]  # the release that wrote it
    ours = {name: getattr(config, name) for name in published}
    assert json.loads(json.dumps(ours)) == published


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("cls", CLASSES)
def test_every_published_argument_is_taken(shared, cls, release):
    arguments = json.loads((shared / "api" / release).read_text())["classes"][cls.__name__]["init"]
    arguments.pop("kwargs", None)  # only one release has it
    assert cls(**arguments) == cls()


@pytest.mark.parametrize("cls", CLASSES)
def test_defaults_agree_with_the_installed_reference(cls):
    transformers = pytest.importorskip("transformers")
    theirs = getattr(transformers, cls.__name__)().to_dict()
    del theirs["transformers_version"]
    config = cls()
    assert {name: getattr(config, name) for name in theirs} == theirs


@pytest.mark.parametrize("cls", CLASSES)
def test_the_reference_reads_our_file_and_we_read_its(cls, tmp_path):
    transformers = pytest.importorskip("transformers")
    fields = {"d_model": 64, "decoder_layers": 3, "vocab_size": 99, "scale_embedding": True, "num_labels": 4}
    cls(**fields).save_pretrained(tmp_path)
    theirs = getattr(transformers, cls.__name__).from_pretrained(tmp_path)
    assert {name: getattr(theirs, name) for name in fields} == fields
    theirs.save_pretrained(tmp_path / "back")
    ours = cls.from_pretrained(tmp_path / "back")
    assert {name: getattr(ours, name) for name in fields} == fields
    assert ours.transformers_version == transformers.__version__


def test_the_defaults_are_the_documented_checkpoints():
    assert (BartConfig().d_model, BartConfig().encoder_layers, BartConfig().pad_token_id) == (1024, 12, 1)
    blenderbot = BlenderbotConfig()
    assert (blenderbot.vocab_size, blenderbot.encoder_layers, blenderbot.decoder_layers) == (8008, 2, 24)
    assert blenderbot.encoder_no_repeat_ngram_size == 3
    assert BlenderbotSmallConfig().encoder_no_repeat_ngram_size == 0
    assert BlenderbotSmallConfig().max_position_embeddings == 512


def test_bart_and_the_blenderbots_order_their_arguments_differently():
    assert list(inspect.signature(BartConfig).parameters)[10:12] == ["activation_function", "d_model"]
    assert list(inspect.signature(BlenderbotConfig).parameters)[10:12] == ["use_cache", "is_encoder_decoder"]


def test_only_bart_has_a_classifier():
    assert BartConfig().classifier_dropout == 0.0
    assert not hasattr(BlenderbotConfig(), "classifier_dropout")


def test_the_base_class_describes_no_model():
    assert PretrainedConfig is PreTrainedConfig
    with pytest.raises(ConfigError, match="Use one of BartConfig, BlenderbotConfig, BlenderbotSmallConfig"):
        PreTrainedConfig()


def test_classes_are_found_by_model_type():
    assert config_class("blenderbot") is BlenderbotConfig
    with pytest.raises(ConfigError, match="`model_type` must be one of"):
        config_class("blenderbot_small")
    with pytest.raises(ConfigError, match="`model_type` must be one of"):
        config_from_dict({"model_type": ["bart"]})


def test_the_old_switch_for_bos_forces_it_in_bart_alone():
    assert BartConfig(force_bos_token_to_be_generated=True).forced_bos_token_id == 0
    assert BartConfig(force_bos_token_to_be_generated=True, forced_bos_token_id=5).forced_bos_token_id == 5
    assert BartConfig(force_bos_token_to_be_generated=False).forced_bos_token_id is None
    assert BlenderbotConfig(force_bos_token_to_be_generated=True).forced_bos_token_id is None


def test_labels_are_three_for_bart_and_two_for_the_others():
    assert BartConfig().id2label == {0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"}
    assert BlenderbotConfig().num_labels == 2


def test_labels_follow_what_is_given():
    config = BartConfig(id2label={"0": "no", "1": "yes"})
    assert (config.num_labels, config.id2label, config.label2id) == (2, {0: "no", 1: "yes"}, {"no": 0, "yes": 1})
    assert BartConfig(label2id={"no": 0, "yes": 1}).id2label == {0: "no", 1: "yes"}
    config.num_labels = 2
    assert config.id2label[1] == "yes"  # the same number keeps the names
    config.num_labels = 4
    assert config.label2id["LABEL_3"] == 3
    with pytest.raises(ConfigError, match="`num_labels` must be a whole number"):
        config.num_labels = 0


def test_asking_for_other_labels_forgets_the_names_in_the_file():
    file = {"id2label": {"0": "contradiction", "1": "neutral", "2": "entailment"}}
    assert BartConfig.from_dict(file, num_labels=3).id2label[2] == "entailment"
    assert BartConfig.from_dict(file, num_labels=2).id2label == {0: "LABEL_0", 1: "LABEL_1"}
    renamed = BartConfig.from_dict(file, id2label={0: "bad", 1: "good"})
    assert renamed.label2id == {"bad": 0, "good": 1}


def test_both_spellings_of_the_dtype_keep_a_name():
    assert BartConfig(torch_dtype="float16").dtype == "float16"
    config = BartConfig.from_dict({"torch_dtype": "float32"}, dtype="bfloat16")
    assert config.torch_dtype == "bfloat16"
    numpy = pytest.importorskip("numpy")
    config.dtype = numpy.dtype("float16")
    assert config.to_dict()["dtype"] == "float16"
    config.dtype = numpy.float32
    assert config.dtype == "float32"


def test_the_dtypes_of_torch_are_kept_by_name():
    torch = pytest.importorskip("torch")
    assert json.loads(BartConfig(dtype=torch.bfloat16).to_json_string())["dtype"] == "bfloat16"


def test_named_outputs_are_off_when_tracing():
    assert BartConfig().use_return_dict is True
    assert BartConfig(torchscript=True).use_return_dict is False


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"d_model": 1000}, "`d_model` must be divisible by `encoder_attention_heads`, but 1000 is not by 16"),
        ({"decoder_attention_heads": 3}, "`d_model` must be divisible by `decoder_attention_heads`"),
        ({"decoder_layers": 0}, "`decoder_layers` must be a whole number from 1"),
        ({"d_model": 10**12}, "`d_model` must be a whole number from 0 to"),
        ({"d_model": 2**20, "decoder_ffn_dim": 2**20}, "must stay under 1e[+]12 parameters, but this has"),
        ({"num_labels": 10**12}, "`num_labels` must be a whole number from 1 to"),
        ({"vocab_size": "50265"}, "`vocab_size` must be a whole number"),
        ({"dropout": "0.1"}, "`dropout` must be a number from 0 to 1"),
        ({"num_beams": "four"}, "`num_beams` must be a number"),
        ({"dropout": 1.5}, "`dropout` must be a number from 0 to 1, but is 1.5"),
        ({"pad_token_id": 50265}, r"`pad_token_id` must be from 0 to 50264 \(below `vocab_size`\), but is 50265"),
        ({"eos_token_id": [2, -1]}, "`eos_token_id` must be from 0 to 50264"),
        ({"forced_bos_token_id": 10**6}, "`forced_bos_token_id` must be from 0"),
        ({"activation_function": "gulu"}, "`activation_function` must be one of gelu, "),
        ({"num_labels": 2, "id2label": {0: "a"}}, "`num_labels` must be the 1 of `id2label`, but is 2"),
        ({"id2label": ["a"]}, "`id2label` must map whole numbers"),
        ({"id2label": {"0": ["a"]}}, "`id2label` must map whole numbers"),
        ({"label2id": ["a"]}, "`label2id` must map labels"),
        ({"label2id": {"a": [0]}}, "`id2label` must map whole numbers"),
        ({"label2id": {"a": float("inf")}}, "`id2label` must map whole numbers"),
        ({"problem_type": "guess"}, "`problem_type` must be None or one of"),
        ({"problem_type": "single_label_classification", "num_labels": 1}, "at least 2 for single-label"),
        ({"pruned_heads": [1]}, "`pruned_heads` must be a dictionary"),
    ],
)
def test_what_cannot_be_built_is_refused(fields, words):
    with pytest.raises(ConfigError, match=words):
        BartConfig(**fields)


def test_no_special_token_needs_to_exist():
    names = ("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id", "forced_eos_token_id")
    config = BartConfig(**dict.fromkeys(names))
    assert {getattr(config, name) for name in names} == {None}


def test_ids_the_model_never_embeds_may_lie_outside():
    assert BlenderbotConfig(sep_token_id=9000, mask_token_id=8008).mask_token_id == 8008


def test_fields_set_later_are_checked_on_request():
    config = BartConfig()
    config.d_model = 1000
    with pytest.raises(ConfigError, match="2 faults"):
        config.validate()


def test_a_config_of_another_libraries_object_compares_unequal():
    assert BartConfig() != SimpleNamespace(**vars(BartConfig()))


@pytest.mark.parametrize(
    "given", [{"dtype": None, "torch_dtype": "float32"}, {"dtype": "float32", "torch_dtype": None}]
)
def test_a_name_that_holds_null_says_nothing_against_its_second_name(given: dict[str, str | None]) -> None:
    assert BartConfig.from_dict(given).dtype == "float32"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"tie_encoder_decoder": True}, "`tie_encoder_decoder` must be False, but is True: nothing else is supported"),
        ({"hidden_size": 0}, "`d_model` must be a whole number from 1 to"),
        ({"pruned_heads": {"99": [1]}}, "layers of the encoder .* has a layer 99"),
        ({"pruned_heads": {"0": [99]}}, r"layer 0 has \[99\]"),
        ({"pruned_heads": {"a": 1}}, "has a layer 'a'"),
    ],
)
def test_what_no_model_can_be_built_of_can_be_kept(fields, words, tmp_path):
    config = BartConfig(**fields)
    config.save_pretrained(tmp_path)
    assert BartConfig.from_pretrained(tmp_path) == config
    with pytest.raises(ConfigError, match=words):
        config.check_buildable()
    with pytest.raises(ConfigError, match=words):
        parameter_table(config)


def test_pruned_heads_come_back_by_number(tmp_path):
    config = BartConfig(pruned_heads={0: [1, 2]})
    config.check_buildable()
    config.save_pretrained(tmp_path)
    assert BartConfig.from_pretrained(tmp_path).pruned_heads == {0: [1, 2]}


@pytest.mark.parametrize("value", ["float16", np.float16, np.dtype("float16"), SimpleNamespace(name="float16")])
def test_a_type_of_numbers_is_a_name_and_equal_to_the_type(value):
    config = BartConfig(torch_dtype=value)
    assert config.dtype == config.torch_dtype == "float16"
    assert config.dtype == value
    assert config.dtype != np.float32
    assert json.loads(config.to_json_string())["dtype"] == "float16"
    assert {config.dtype: 1}["float16"] == 1


def test_a_torch_type_is_equal_to_its_name():
    torch = pytest.importorskip("torch", reason='needs PyTorch. Run: pip install "bartleby[torch]"')
    assert BartConfig(torch_dtype="bfloat16").torch_dtype == torch.bfloat16
    assert BartConfig(dtype=torch.float16).dtype == "float16"
    assert BartConfig(dtype=torch.float16).dtype != torch.bfloat16


@pytest.mark.parametrize(("side", "layers", "heads"), [("decoder", 24, 8), ("encoder", 2, 32)])
def test_one_stack_has_a_config_of_its_own(side, layers, heads):
    config = BlenderbotConfig(decoder_attention_heads=8)
    of_stack = config.get_text_config(**{side: True})
    assert (of_stack.num_hidden_layers, of_stack.num_attention_heads) == (layers, heads)
    assert config.num_hidden_layers == 2
    assert config.get_text_config() is config.get_text_config(decoder=True, encoder=True) is config


def test_every_field_is_a_named_argument():
    parameters = inspect.signature(BlenderbotConfig).parameters
    assert parameters["dropout"].default == 0.1
    assert parameters["id2label"].kind is inspect.Parameter.KEYWORD_ONLY
    with pytest.raises(TypeError):
        BlenderbotConfig(*[None] * 40)


def test_configs_are_made_and_found_by_model_type(tmp_path):
    assert AutoConfig.for_model("blenderbot", d_model=64).d_model == 64
    BartConfig().save_pretrained(tmp_path)
    assert type(AutoConfig.from_pretrained(tmp_path)) is BartConfig
    assert AutoConfig.from_pretrained(tmp_path, d_model=64, odd=1, return_unused_kwargs=True)[1] == {"odd": 1}
    with pytest.raises(ConfigError, match="not made directly"):
        AutoConfig()
    with pytest.raises(ConfigError, match="must be one of bart, blenderbot, blenderbot-small, but is 't5'"):
        AutoConfig.for_model("t5")


def test_a_class_of_ones_own_reads_its_files(tmp_path):
    class QuillConfig(BartConfig):
        model_type = "quill"

    QuillConfig().save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match="'quill'"):
        AutoConfig.from_pretrained(tmp_path)
    try:
        QuillConfig.register_for_auto_class()
        assert type(AutoConfig.from_pretrained(tmp_path)) is QuillConfig
    finally:
        del CONFIG_CLASSES["quill"]
    with pytest.raises(ConfigError, match="'bart' has a class"):
        AutoConfig.register("bart", type("OtherConfig", (BartConfig,), {}))
    with pytest.raises(ConfigError, match="must be 'quill', as the class says"):
        AutoConfig.register("bart", QuillConfig)
    with pytest.raises(ConfigError, match="must be 'AutoConfig'"):
        QuillConfig.register_for_auto_class("AutoModel")
