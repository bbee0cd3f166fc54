import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartleby.errors import CheckpointError, OptionError
from bartleby.family.config import BlenderbotConfig
from bartleby.generation.config import GenerationConfig
from bartleby.generation.options import DEFAULTS


def test_none_stands_for_the_default() -> None:
    assert GenerationConfig(num_beams=None, max_length=None) == GenerationConfig()
    assert GenerationConfig.from_dict({"num_beams": None}).num_beams == 1


def test_a_misspelt_option_is_refused_with_the_one_that_was_meant() -> None:
    with pytest.raises(OptionError, match=r"`num_beam` is not a decoding option. Did you mean `num_beams`\?"):
        GenerationConfig(num_beam=4)
    with pytest.raises(OptionError, match="`streamer` is an argument of `generate`"):
        GenerationConfig(streamer=print)


def test_a_name_like_no_option_is_kept_and_told() -> None:
    with pytest.warns(UserWarning, match="`foo` is not a decoding option. It is kept, but nothing reads it"):
        options = GenerationConfig(foo="bar")
    assert options.foo == options.to_diff_dict()["foo"] == "bar"
    assert not hasattr(GenerationConfig.from_model_config(options), "foo")


def test_what_has_no_effect_is_told_to_who_asked_for_it() -> None:
    with pytest.warns(UserWarning, match="`temperature` has no effect without sampling. Set `do_sample=True`"):
        options = GenerationConfig(temperature=0.5)
    with pytest.warns(UserWarning, match="`temperature`"):
        options.validate(is_init=True)
    with pytest.raises(OptionError, match="`temperature`"):
        options.validate(strict=True)
    with pytest.warns(UserWarning, match="`length_penalty` has no effect without beams"):
        options.update(length_penalty=2.0)
    options.validate("plain")
    options.validate(user_set_attributes={"num_beams"})


def test_a_config_changed_to_have_idle_options_is_not_saved(tmp_path: Path) -> None:
    options = GenerationConfig()
    options.temperature = 0.5
    with pytest.raises(OptionError, match="`temperature` has no effect"):
        options.save_pretrained(tmp_path)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "generation_config.json").write_text('{"temperature": 0.5}')
    GenerationConfig.from_pretrained(tmp_path).save_pretrained(tmp_path / "as_it_was")


def test_none_can_be_assigned_to_have_the_default_again() -> None:
    options = GenerationConfig(do_sample=True, temperature=0.5, max_length=7)
    options.temperature = options.max_length = None
    assert (options.temperature, options.max_length) == (1.0, 20)


def test_lists_are_the_config_s_own_and_numbers_are_python_s() -> None:
    words = [[4, 5]]
    options = GenerationConfig(bad_words_ids=words, max_length=np.int64(7), suppress_tokens=np.array([4, 5]))
    options.eos_token_id = np.array(2)
    assert (options.suppress_tokens, options.eos_token_id) == ([4, 5], 2)
    words[0].append(6)
    assert options.bad_words_ids == [[4, 5]]
    assert type(options.max_length) is int


def test_a_bias_survives_a_file_in_either_form(tmp_path: Path) -> None:
    options = GenerationConfig(sequence_bias={(4,): 1.0, (5, 6): -10.0})
    options.save_pretrained(tmp_path)
    loaded = GenerationConfig.from_pretrained(tmp_path)
    assert loaded.sequence_bias == [[[4], 1.0], [[5, 6], -10.0]]
    assert loaded == options == GenerationConfig(sequence_bias=[[[4], 1.0], [[5, 6], -10.0]])


def test_what_json_cannot_hold_is_not_written() -> None:
    options = GenerationConfig(num_beams=2, constraints=[object()])
    with pytest.raises(OptionError, match="JSON can hold"):
        options.to_json_string()
    assert "constraints" not in options.to_json_string(keys_to_pop=["constraints"])
    assert options == options
    assert "object" in repr(options)


def test_dtypes_are_written_as_text() -> None:
    class Dtype:
        def __repr__(self) -> str:
            return "torch.float16"

    fields = {"torch_dtype": Dtype(), "inner": {"dtype": Dtype()}, "dtype": None}
    GenerationConfig().dict_torch_dtype_to_str(fields)
    assert fields == {"torch_dtype": "float16", "inner": {"dtype": "float16"}, "dtype": None}


@pytest.mark.parametrize(
    ("options", "faults"),
    [
        ({"num_beams": 0, "top_p": 2}, ["`num_beams` must be a whole number of at least 1, but is 0.", "`top_p`"]),
        ({"num_beams": True}, ["`num_beams`"]),
        ({"max_length": 20.0}, ["`max_length`"]),
        ({"max_new_tokens": 0}, ["`max_new_tokens`"]),
        ({"temperature": -0.5}, ["`temperature`"]),
        ({"temperature": 0.0, "do_sample": True}, ["`temperature` must be at least 1e-09 with `do_sample`"]),
        ({"temperature": float("nan")}, ["`temperature`"]),
        ({"early_stopping": "always"}, ["`early_stopping`"]),
        ({"do_sample": "yes"}, ["`do_sample`"]),
        ({"bad_words_ids": [1]}, ["`bad_words_ids`"]),
        ({"bad_words_ids": [[1], []]}, ["`bad_words_ids`"]),
        ({"suppress_tokens": [-1]}, ["`suppress_tokens`"]),
        ({"eos_token_id": "</s>"}, ["`eos_token_id`"]),
        ({"length_penalty": 1e6}, ["`length_penalty`"]),
        ({"length_penalty": 10**400}, ["`length_penalty`"]),
        ({"min_length": 30, "max_length": 10}, ["`min_length` must be at most `max_length`"]),
        ({"min_new_tokens": 30, "max_new_tokens": 10}, ["`min_new_tokens` must be at most `max_new_tokens`"]),
        ({"num_return_sequences": 2}, ["`num_return_sequences`"]),
        ({"num_return_sequences": 4, "num_beams": 3, "do_sample": True}, ["`num_return_sequences`"]),
        ({"forced_eos_token_id": 2, "suppress_tokens": [2, 3]}, ["`forced_eos_token_id`"]),
    ],
)
def test_options_that_cannot_be_are_refused_all_at_once(options: dict, faults: list[str]) -> None:
    with pytest.raises(OptionError) as refusal:
        GenerationConfig(**options)
    assert all(fault in str(refusal.value) for fault in faults)


def test_several_samples_need_no_beams() -> None:
    assert GenerationConfig(num_return_sequences=4, do_sample=True).num_return_sequences == 4


def test_token_ids_must_lie_in_the_vocabulary() -> None:
    options = GenerationConfig(forced_bos_token_id=9, bad_words_ids=[[3, 12]], eos_token_id=[2, 10])
    options.validate(vocab_size=13)
    with pytest.raises(OptionError, match=r"(?s)`eos_token_id`.*\[10\].*`bad_words_ids`.*\[12\]"):
        options.validate(vocab_size=10)


def test_a_file_loses_nothing(tmp_path: Path) -> None:
    written = {"num_beams": 4, "from_the_future": {"a": [1]}, "transformers_version": "4.37.2", "length_penalty": 2.0}
    (tmp_path / "generation_config.json").write_text(json.dumps(written))
    options = GenerationConfig.from_pretrained(tmp_path)
    options.save_pretrained(tmp_path / "copy")
    assert json.loads((tmp_path / "copy" / "generation_config.json").read_text()) == written
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["generation_config.json"]


def test_a_wrong_file_loads_and_is_refused_when_it_is_decoded_with(tmp_path: Path) -> None:
    (tmp_path / "generation_config.json").write_text('{"num_beams": 0}')
    options = GenerationConfig.from_pretrained(tmp_path)
    for refused in (options.validate, lambda: options.save_pretrained(tmp_path)):
        with pytest.raises(OptionError, match="`num_beams`"):
            refused()


def test_a_file_cannot_take_the_place_of_what_the_class_does() -> None:
    with pytest.raises(OptionError, match=r"(?s)2 faults.*`__dict__` cannot be an option.*`validate` cannot be"):
        GenerationConfig.from_dict({"validate": 1, "__dict__": {}, "num_beams": 2})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no generation_config.json .* Use GenerationConfig.from_model_config"),
        ("{", "is no (usable )?JSON"),
        ("[" * 100_000, "is no (usable )?JSON"),
        ("[]", "must hold a JSON object"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "generation_config.json").write_text(content)
    with pytest.raises(CheckpointError, match=message):
        GenerationConfig.from_pretrained(tmp_path)


@pytest.mark.filterwarnings("ignore:.*has no effect")
def test_keywords_stand_above_the_file(tmp_path: Path) -> None:
    GenerationConfig(num_beams=4).save_pretrained(tmp_path, config_file_name="decoding.json")
    options = GenerationConfig.from_pretrained(tmp_path, "decoding.json", num_beams=2)
    assert options.num_beams == 2
    assert GenerationConfig.from_dict({}, return_unused_kwargs=True, top_k=3, rank=1) == (
        GenerationConfig(top_k=3),
        {"rank": 1},
    )
    with pytest.raises(OptionError, match="`rank`"):
        GenerationConfig.from_dict({}, rank=1)


def test_old_checkpoints_keep_their_decoding_in_the_model_config() -> None:
    config = BlenderbotConfig(num_beams=10, min_length=20, max_length=60, length_penalty=0.65)
    options = GenerationConfig.from_model_config(config)
    assert (options.num_beams, options.min_length, options.max_length, options.length_penalty) == (10, 20, 60, 0.65)
    assert (options.encoder_no_repeat_ngram_size, options.decoder_start_token_id, options.eos_token_id) == (3, 1, 2)
    assert json.loads(options.to_json_string())["_from_model_config"] is True
    old = GenerationConfig.from_model_config({"force_bos_token_to_be_generated": True, "bos_token_id": 0, "d_model": 8})
    assert (old.forced_bos_token_id, "d_model" in old.to_dict()) == (0, False)


def test_update_gives_back_what_is_no_option_and_checks_the_rest() -> None:
    options = GenerationConfig()
    assert options.update(num_beams=3, input_ids=[1]) == {"input_ids": [1]}
    assert options.num_beams == 3
    with pytest.raises(OptionError, match="`num_beams`"):
        options.update(num_beams=0)


def test_an_update_changes_all_or_nothing() -> None:
    options = GenerationConfig(top_k=7, do_sample=True)
    with pytest.raises(OptionError, match="`num_beams`"):
        options.update(max_length=5, num_beams=0)
    assert options.max_length == 20
    assert options.update(defaults_only=True, top_k=3, max_length=9, foo=1) == {"foo": 1, "top_k": 3}
    assert (options.top_k, options.max_length) == (7, 9)
    assert options.update(allow_custom_entries=True, foo=1) == {}
    assert options.foo == 1


def test_a_file_is_no_folder_to_save_in(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match="must be a folder"):
        GenerationConfig().save_pretrained(tmp_path / "file")


def test_pushing_is_not_saving(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="`push_to_hub` must be False"):
        GenerationConfig().save_pretrained(tmp_path, push_to_hub=True)
    with pytest.raises(OptionError, match="`push_to_hub` must be False"):
        GenerationConfig().push_to_hub("name")
    with pytest.raises(OptionError, match="`push_to_hub` must be False"):
        GenerationConfig().save_pretrained(tmp_path, repo_id="name")


def test_equal_configs_decode_alike_wherever_they_come_from() -> None:
    assert GenerationConfig(num_beams=2) == GenerationConfig(num_beams=2, transformers_version="5.23.0")
    assert hash(GenerationConfig()) == hash(GenerationConfig(transformers_version="5.23.0"))
    assert GenerationConfig(num_beams=2) != GenerationConfig(num_beams=3)
    assert GenerationConfig() != {}
    assert '"num_beams": 2' in repr(GenerationConfig(num_beams=2))


@pytest.mark.filterwarnings("ignore:.*has no effect")
@given(
    st.dictionaries(
        st.sampled_from(sorted(DEFAULTS)),
        st.none() | st.booleans() | st.integers(-2, 40) | st.floats(-2, 2) | st.lists(st.integers(0, 9), max_size=3),
        max_size=6,
    )
)
def test_any_options_either_make_a_config_that_survives_a_file_or_are_refused(options: dict) -> None:
    try:
        config = GenerationConfig(**options)
    except OptionError:
        return
    assert GenerationConfig.from_dict(json.loads(config.to_json_string())) == config
    assert GenerationConfig.from_dict(json.loads(config.to_json_string(use_diff=False))) == config


@pytest.mark.parametrize(
    "older", [{"use_auth_token": "t"}, {"resume_download": True}, {"trust_remote_code": True}, {"subfolder": "inner"}]
)
def test_a_file_is_found_with_the_keywords_of_any_release(tmp_path, older):
    GenerationConfig(num_beams=7).save_pretrained(tmp_path / older.get("subfolder", ""))
    assert GenerationConfig.from_pretrained(tmp_path, **older, top_k=3).num_beams == 7


def test_configs_of_another_library_say_what_their_dictionary_says() -> None:
    class Foreign:
        def to_dict(self) -> dict[str, object]:
            return {"num_beams": 3, "top_k": None, "transformers_version": "5.23.0"}

    options = GenerationConfig.of(Foreign())
    assert (options.num_beams, options.top_k) == (3, 50)
    assert GenerationConfig.of(options) is options
    assert GenerationConfig.of({"max_length": 9}).max_length == 9


def test_trainers_of_the_reference_library_find_the_defaults() -> None:
    defaults = GenerationConfig._get_default_generation_params()
    assert (defaults["max_length"], defaults["num_beams"], defaults["do_sample"]) == (20, 1, False)
    options = GenerationConfig(max_length=40)
    options.update(**defaults, defaults_only=True)
    assert options.max_length == 40
