import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bartleby.errors import CheckpointError, ConfigError, HubError, OptionError
from bartleby.generation.config import GenerationConfig
from tests.parity.random_models import MODEL_TYPES, random_batch, random_config

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch import models  # noqa: E402  after the skip
from tests.backends.pytorch.saved_models import ALL, config_of, equal, small  # noqa: E402

LOGGER = "bartleby.backends.report"


@pytest.mark.parametrize("model_class", ALL, ids=lambda model: model.__name__)
@pytest.mark.parametrize("tied", [True, False])
def test_what_was_saved_is_what_is_loaded(tmp_path: Path, model_class: Any, tied: bool) -> None:
    model = model_class(config_of(model_class, tie_word_embeddings=tied))
    model.save_pretrained(tmp_path)
    loaded, told = model_class.from_pretrained(tmp_path, output_loading_info=True)
    assert equal(model, loaded)
    assert told == {"missing_keys": [], "unexpected_keys": [], "mismatched_keys": [], "error_msgs": []}
    assert not loaded.training
    assert all(parameter.requires_grad for parameter in loaded.parameters())
    assert len(list(loaded.parameters())) == len(list(model.parameters()))  # ties are ties again
    assert loaded.num_parameters() == model.num_parameters()
    assert loaded.config.name_or_path == str(tmp_path)


STACKS = {"encoder": {"encoder"}, "decoder": {"decoder"}, "causal_lm": {"decoder"}}
"""What a head stands on; the others on both."""


def stacks_of(model_class: Any) -> set[str]:
    return STACKS.get(model_class.table_head, {"encoder", "decoder"})


def weight_of(model: Any, stack: str) -> torch.Tensor:
    body = model if model.table_head == stack else getattr(getattr(model, "model", model), stack)
    return body.layers[0].fc1.weight


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_a_body_loads_under_every_head_that_needs_no_more(tmp_path: Path, model_type: str) -> None:
    classes = [model for model in ALL if model.config_class.model_type == model_type]
    for source in classes:
        saved = small(source)
        saved.save_pretrained(tmp_path / source.__name__)
        for target in classes:
            if stacks_of(target) - stacks_of(source):
                with pytest.raises(CheckpointError, match="is missing"):
                    target.from_pretrained(tmp_path / source.__name__)
                continue
            loaded = target.from_pretrained(tmp_path / source.__name__)
            for stack in stacks_of(target):
                assert torch.equal(weight_of(loaded, stack), weight_of(saved, stack))
            assert not any(parameter.is_meta for parameter in loaded.parameters())


def test_the_config_is_the_file_s_with_the_caller_s_changes(tmp_path: Path) -> None:
    saved = config_of(models.BlenderbotSmallForConditionalGeneration, scale_embedding=True)
    models.BlenderbotSmallForConditionalGeneration(saved).save_pretrained(tmp_path / "model")
    load = models.BlenderbotSmallForConditionalGeneration.from_pretrained
    assert load(tmp_path / "model").config.scale_embedding
    assert not load(tmp_path / "model", scale_embedding=False).config.scale_embedding
    own = type(saved).from_dict(saved.to_dict(), dropout=0.7)
    assert load(tmp_path / "model", config=own, attention_dropout=0.3).config.dropout == 0.7
    assert own.attention_dropout != 0.3  # the caller's is left as it was
    own.save_pretrained(tmp_path / "config")
    assert load(tmp_path / "model", config=tmp_path / "config").config.dropout == 0.7
    with pytest.raises(
        ConfigError, match=r"`scale_embeddings` is not a field\. Did you mean `scale_embedding`"
    ) as caught:
        load(tmp_path / "model", scale_embeddings=True)
    assert isinstance(caught.value, TypeError)  # as Python's own would be
    with pytest.raises(ConfigError, match=r"for BartConfig, but is 'blenderbot-small'\. Use BlenderbotSmallConfig"):
        models.BartModel.from_pretrained(tmp_path / "model")


def test_decoding_options_are_saved_and_loaded(tmp_path: Path) -> None:
    model = small(models.BartForConditionalGeneration)
    model.generation_config = GenerationConfig(num_beams=7, max_length=9, eos_token_id=[2, 5])
    model.save_pretrained(tmp_path)
    loaded = models.BartForConditionalGeneration.from_pretrained(tmp_path)
    assert loaded.generation_config == model.generation_config
    (tmp_path / "generation_config.json").unlink()
    older = models.BartForConditionalGeneration.from_pretrained(tmp_path, num_beams=3)
    assert (older.generation_config.num_beams, older.generation_config.eos_token_id) == (3, 2)
    models.BartModel.from_pretrained(tmp_path).save_pretrained(tmp_path / "bare")
    assert not (tmp_path / "bare" / "generation_config.json").exists()


def test_what_is_damaged_or_not_there_is_told(tmp_path: Path) -> None:
    load = models.BartModel.from_pretrained
    with pytest.raises(HubError, match="There is no folder"):
        load(tmp_path / "nothing")
    with pytest.raises(CheckpointError, match=r"has no config\.json"):
        load(tmp_path)
    config_of(models.BartModel).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match=r"has no weights: none of model\.safetensors"):
        load(tmp_path)
    small(models.BartModel).save_pretrained(tmp_path)
    whole = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="the tensors take"):
        load(tmp_path)


def test_decoding_options_among_the_keywords_win_over_the_file(tmp_path: Path) -> None:
    model = small(models.BartForConditionalGeneration)
    model.generation_config = GenerationConfig(num_beams=7, max_length=9)
    model.save_pretrained(tmp_path)
    load = models.BartForConditionalGeneration.from_pretrained
    assert (load(tmp_path, num_beams=3).generation_config.num_beams, model.generation_config.max_length) == (3, 9)
    own = GenerationConfig(num_beams=2)
    assert load(tmp_path, generation_config=own).generation_config is own


def test_a_state_dict_of_the_caller_s_needs_no_file(tmp_path: Path) -> None:
    model = small(models.BartForConditionalGeneration)
    state = {name: tensor + 1 for name, tensor in model.state_dict().items()}
    model.config.save_pretrained(tmp_path)
    load = models.BartForConditionalGeneration.from_pretrained
    for loaded in (load(tmp_path, state_dict=state), load(None, config=model.config, state_dict=state)):
        assert all(torch.equal(tensor, state[name]) for name, tensor in loaded.state_dict().items())
        with torch.no_grad():
            loaded.model.encoder.layers[0].fc1.weight.zero_()
    assert state["model.encoder.layers.0.fc1.weight"].any()  # the caller's numbers are his own
    for too_little in ({}, {"config": model.config}, {"state_dict": state}):
        with pytest.raises(OptionError, match="both `config` and `state_dict` must be given"):
            load(None, **too_little)


def test_what_an_empty_state_dict_lacks_is_drawn_as_for_a_new_model() -> None:
    config = config_of(models.BartForConditionalGeneration, init_std=0.5)
    model, told = models.BartForConditionalGeneration.from_pretrained(
        None, config=config, state_dict={}, output_loading_info=True
    )
    names = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    assert set(told["missing_keys"]) == names
    assert 0.4 < float(model.model.shared.weight.detach().std()) < 0.6
    assert not model.model.shared.weight[config.pad_token_id].any()
    assert not model.model.encoder.layers[0].fc1.bias.any()


def test_a_folder_within_a_folder_and_a_variant(tmp_path: Path) -> None:
    model = small(models.BartModel)
    model.save_pretrained(tmp_path / "best" / "model")
    model.half().save_pretrained(tmp_path / "best" / "model", variant="fp16", max_shard_size="5KB")
    load = models.BartModel.from_pretrained
    assert equal(load(tmp_path, subfolder="best/model", variant="fp16", dtype="auto"), model)
    assert load(tmp_path, subfolder="best/model").dtype == torch.float32
    with pytest.raises(CheckpointError, match=r"none of model\.int8\.safetensors.*Leave out `variant`"):
        load(tmp_path, subfolder="best/model", variant="int8")
    with pytest.raises(HubError, match="Check `subfolder`"):
        load(tmp_path, subfolder="worst")


def test_keywords_of_all_releases_are_accepted_where_they_change_nothing(tmp_path: Path) -> None:
    model = small(models.BartModel)
    model.save_pretrained(tmp_path)
    harmless = {
        "low_cpu_mem_usage": False, "weights_only": False, "_fast_init": False, "resume_download": True,
        "use_auth_token": False, "trust_remote_code": True, "proxies": None, "load_in_8bit": False, "subfolder": "",
        "revision": "v9", "cache_dir": None, "token": None, "max_memory": None, "quantization_config": None,
        "attn_implementation": "eager", "offload_folder": None, "disable_mmap": True, "local_files_only": True,
    }  # fmt: skip
    assert equal(models.BartModel.from_pretrained(tmp_path, **harmless), model)


def test_code_of_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    small(models.BartModel).save_pretrained(tmp_path)
    fields = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**fields, "auto_map": {"AutoModel": "own.OwnModel"}}))
    models.BartModel.from_pretrained(tmp_path)
    with pytest.raises(OptionError, match="brings code for its model along, and that is never run"):
        models.BartModel.from_pretrained(tmp_path, trust_remote_code=True)


class WithPooler(models.BartForConditionalGeneration):
    """A user's own class: more weights, more to say when it is built, and numbers made while building."""

    def __init__(self, config: Any, places: int = 2, *, names: str = "") -> None:
        super().__init__(config)
        self.pooler = torch.nn.Linear(config.d_model, places)
        self.names = names
        self.register_buffer("powers", 2.0 ** torch.arange(3), persistent=False)
        self.post_init()


def test_a_class_of_the_caller_s_own_is_saved_and_loaded_with_all_it_has(tmp_path: Path) -> None:
    model = WithPooler(config_of(models.BartForConditionalGeneration), 3, names="abc")
    model.save_pretrained(tmp_path)
    loaded = WithPooler.from_pretrained(tmp_path, 3, names="abc", dropout=0.7)
    assert equal(loaded, model)
    assert (loaded.names, loaded.config.dropout) == ("abc", 0.7)
    assert loaded.powers.tolist() == [1, 2, 4]
    bare, told = models.BartForConditionalGeneration.from_pretrained(tmp_path, output_loading_info=True)
    assert told["unexpected_keys"] == {"pooler.weight", "pooler.bias"}
    bare.save_pretrained(tmp_path)
    again, told = WithPooler.from_pretrained(tmp_path, output_loading_info=True)
    assert told["missing_keys"] == ["pooler.weight", "pooler.bias"]
    assert not again.pooler.bias.any()
    assert equal(again.model, model.model)


class OnTheBareModel(models.BartPreTrainedModel):
    """As research code does it: a published body, and anything beside it."""

    def __init__(self, config: Any, labels: int = 2) -> None:
        super().__init__(config)
        self.model = models.BartModel(config)
        self.head = torch.nn.Linear(config.d_model, labels)
        self.post_init()


class OnAnEncoder(models.BartPreTrainedModel):
    """With names that begin as those of a bare model."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.encoder = models.BartEncoder(config)
        self.decoder = torch.nn.Linear(config.d_model, config.vocab_size)
        self.post_init()


@pytest.mark.parametrize("model_class", [OnTheBareModel, OnAnEncoder])
def test_a_class_made_of_published_parts_is_saved_and_loaded(tmp_path: Path, model_class: Any) -> None:
    model = small(model_class)
    model.save_pretrained(tmp_path)
    loaded, told = model_class.from_pretrained(tmp_path, output_loading_info=True)
    assert equal(model, loaded)
    assert not any(told.values())


def test_a_class_made_of_published_parts_stands_on_a_published_body(tmp_path: Path) -> None:
    body = small(models.BartModel)
    body.save_pretrained(tmp_path)
    loaded, told = OnTheBareModel.from_pretrained(tmp_path, labels=5, output_loading_info=True)
    assert equal(body, loaded.model)
    assert sorted(told["missing_keys"]) == ["head.bias", "head.weight"]
    assert loaded.head.out_features == 5
    assert loaded.get_input_embeddings() is loaded.model.shared
    loaded.resize_token_embeddings(body.config.vocab_size + 3)
    assert loaded.model.encoder.embed_tokens.weight is loaded.model.shared.weight
    loaded.set_input_embeddings(torch.nn.Embedding(9, body.config.d_model))
    assert loaded.model.shared.num_embeddings == 9
    with pytest.raises(NotImplementedError, match="OnAnEncoder must say itself"):
        small(OnAnEncoder).get_input_embeddings()


def test_one_device_may_be_named_in_any_way(tmp_path: Path) -> None:
    small(models.BartModel).save_pretrained(tmp_path)
    load = models.BartModel.from_pretrained
    assert load(tmp_path, device_map={"": "cpu"}).hf_device_map == {"": "cpu"}
    assert load(tmp_path, device="cpu", device_map={"encoder": "cpu", "decoder": "cpu"}).device.type == "cpu"
    assert not hasattr(load(tmp_path, device="cpu"), "hf_device_map")


@pytest.mark.parametrize(("flag", "file"), [("from_tf", "tf_model.h5"), ("from_flax", "flax_model.msgpack")])
def test_weights_of_another_framework_are_asked_for_by_name(tmp_path: Path, flag: str, file: str) -> None:
    small(models.BartModel).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match=rf"none of {file}.*Leave out `{flag}`"):
        models.BartModel.from_pretrained(tmp_path, **{flag: True})


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), model_class=st.sampled_from(ALL), shards=st.booleans())
def test_any_model_gives_the_same_output_after_it_was_saved_and_loaded(
    tmp_path: Path, seed: int, model_class: Any, shards: bool
) -> None:
    random = np.random.default_rng(seed)
    model = model_class(random_config(random, model_class.config_class.model_type)).eval()
    model.save_pretrained(tmp_path, **({"max_shard_size": "5KB"} if shards else {}))
    loaded = model_class.from_pretrained(tmp_path)
    ids, mask = (torch.from_numpy(array) for array in random_batch(random))
    inputs = {"input_ids": ids, "attention_mask": mask}
    if stacks_of(model_class) == {"encoder", "decoder"}:
        inputs["decoder_input_ids"] = ids
    with torch.no_grad():
        assert torch.equal(loaded(**inputs)[0], model(**inputs)[0])
    changed = {"_name_or_path": "", "dtype": "float32", "architectures": [model_class.__name__]}
    assert {**loaded.config.to_dict(), **changed} == {**model.config.to_dict(), **changed}
