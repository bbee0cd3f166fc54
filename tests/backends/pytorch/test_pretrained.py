import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bartleby.checkpoints.containers import open_weights
from bartleby.checkpoints.folder import CheckpointFolder, save_folder
from bartleby.errors import CheckpointError, ConfigError, HubError, OptionError
from bartleby.family.config import BartConfig, PreTrainedConfig
from bartleby.generation.config import GenerationConfig
from tests.parity.random_models import MODEL_TYPES, random_config, seeded

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch import models  # noqa: E402  after the skip
from bartleby.backends.pytorch.pretrained import PreTrainedModel  # noqa: E402

ALL = [
    model
    for model in vars(models).values()
    if isinstance(model, type) and issubclass(model, PreTrainedModel) and hasattr(model, "config_class")
]
LOGGER = "bartleby.backends.pytorch.pretrained"


def config_of(model_class: Any, **changes: Any) -> PreTrainedConfig:
    config = random_config(seeded("pretrained"), model_class.config_class.model_type)
    return type(config).from_dict(config.to_dict(), **{"tie_word_embeddings": True, **changes})


def equal(one: Any, other: Any) -> bool:
    left, right = one.state_dict(), other.state_dict()
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


@pytest.fixture
def rewritten(tmp_path: Path) -> Callable[..., Path]:
    """A saved BART that writes, with some tensors left out or put in another's place."""

    def rewrite(model: Any, drop: tuple[str, ...] = (), put: dict[str, Any] | None = None) -> Path:
        model.save_pretrained(tmp_path / "whole")
        with CheckpointFolder.open(tmp_path / "whole") as folder:
            weights = {name: folder.weights.tensor(name) for name in folder.weights.names() if name not in drop}
            save_folder(
                tmp_path / "changed", config=folder.config, generation_config=None, weights={**weights, **(put or {})}
            )
        return tmp_path / "changed"

    return rewrite


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


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_a_body_loads_under_every_head(tmp_path: Path, model_type: str) -> None:
    classes = [model for model in ALL if model.config_class.model_type == model_type]
    for source in classes:
        saved = source(config_of(source))
        saved.save_pretrained(tmp_path / source.__name__)
        for target in classes:
            if source.head == "causal_lm" and target.head != "causal_lm":
                continue  # a decoder alone lacks an encoder
            loaded = target.from_pretrained(tmp_path / source.__name__)
            expected = saved.get_decoder().layers[0].fc1.weight
            assert torch.equal(loaded.get_decoder().layers[0].fc1.weight, expected)
            assert not any(parameter.is_meta for parameter in loaded.parameters())


def test_loaded_weights_are_the_file_and_not_a_copy(tmp_path: Path) -> None:
    models.BartModel(config_of(models.BartModel)).save_pretrained(tmp_path)
    one = models.BartModel.from_pretrained(tmp_path)
    assert one.shared.weight.data_ptr() == one.encoder.embed_tokens.weight.data_ptr()
    with torch.no_grad():
        one.shared.weight.fill_(7)  # changes this process's memory, not the file
    assert not (models.BartModel.from_pretrained(tmp_path).shared.weight == 7).any()


@pytest.mark.parametrize(
    ("asked", "stored", "expected"),
    [
        ({}, torch.float16, torch.float32),
        ({}, torch.bfloat16, torch.float32),
        ({"dtype": "auto"}, torch.bfloat16, torch.bfloat16),
        ({"torch_dtype": "auto"}, torch.float16, torch.float16),
        ({"dtype": torch.float16}, torch.float32, torch.float16),
        ({"torch_dtype": "torch.float64"}, torch.float32, torch.float64),
    ],
)
def test_weights_are_float32_unless_asked_otherwise(tmp_path: Path, asked: Any, stored: Any, expected: Any) -> None:
    model = models.BartForConditionalGeneration(config_of(models.BartForConditionalGeneration)).to(stored)
    model.save_pretrained(tmp_path)
    loaded = models.BartForConditionalGeneration.from_pretrained(tmp_path, **asked)
    assert {tensor.dtype for tensor in loaded.state_dict().values()} == {expected}
    assert loaded.config.dtype == str(expected).removeprefix("torch.")
    assert equal(model.to(expected), loaded)


def test_auto_takes_the_type_of_the_weights_where_the_config_names_none(rewritten: Callable[..., Path]) -> None:
    folder = rewritten(models.BartModel(config_of(models.BartModel)).half())
    fields = json.loads((folder / "config.json").read_text())
    assert fields.pop("dtype") == "float16"
    (folder / "config.json").write_text(json.dumps(fields))
    assert models.BartModel.from_pretrained(folder, dtype="auto").dtype == torch.float16


def test_a_missing_head_is_drawn_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    models.BartModel(config_of(models.BartModel, init_std=0.5)).save_pretrained(tmp_path)
    with caplog.at_level(logging.WARNING, LOGGER):
        model, told = models.BartForSequenceClassification.from_pretrained(
            tmp_path, id2label={0: "no", 1: "yes"}, output_loading_info=True
        )
    names = [f"classification_head.{part}.{kind}" for part in ("dense", "out_proj") for kind in ("weight", "bias")]
    assert told["missing_keys"] == names
    assert all(name in caplog.text for name in names)
    assert model.classification_head.out_proj.weight.shape[0] == 2
    assert 0.3 < float(model.classification_head.dense.weight.detach().std()) < 0.7
    assert not model.classification_head.dense.bias.any()
    assert not model.training


def test_a_missing_logits_bias_is_zeros_and_nothing_to_tell(
    rewritten: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    model = models.BartForConditionalGeneration(config_of(models.BartForConditionalGeneration))
    model.final_logits_bias.fill_(3)
    loaded = models.BartForConditionalGeneration.from_pretrained(rewritten(model, drop=("final_logits_bias",)))
    assert not loaded.final_logits_bias.any()
    assert caplog.text == ""


def test_a_body_with_holes_is_refused_and_every_hole_named(rewritten: Callable[..., Path]) -> None:
    model = models.BartForConditionalGeneration(config_of(models.BartForConditionalGeneration))
    gone = ("model.encoder.layers.0.fc1.bias", "model.decoder.layernorm_embedding.weight")
    folder = rewritten(model, drop=gone, put={"model.encoder.embed_positions.weight": np.zeros((3, 2), np.float32)})
    with pytest.raises(CheckpointError) as refusal:
        models.BartForConditionalGeneration.from_pretrained(folder)
    assert all(f"`{name}` is missing" in str(refusal.value) for name in gone)
    assert "`model.encoder.embed_positions.weight` has shape (3, 2) in the file, but the configuration says" in str(
        refusal.value
    )
    with pytest.raises(CheckpointError, match="2 faults"):  # what is missing cannot be ignored
        models.BartForConditionalGeneration.from_pretrained(folder, ignore_mismatched_sizes=True)


def test_misshapen_weights_can_be_drawn_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    models.BartForConditionalGeneration(config_of(models.BartForConditionalGeneration)).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="ignore_mismatched_sizes=True"):
        models.BartForConditionalGeneration.from_pretrained(tmp_path, vocab_size=60)
    with caplog.at_level(logging.WARNING, LOGGER):
        model, told = models.BartForConditionalGeneration.from_pretrained(
            tmp_path, vocab_size=60, ignore_mismatched_sizes=True, output_loading_info=True
        )
    assert ("final_logits_bias", (1, 50), (1, 60)) in told["mismatched_keys"]
    assert "model.shared.weight" in caplog.text
    assert model.lm_head.weight is model.model.shared.weight
    assert model.lm_head.weight.shape[0] == 60
    assert not model.final_logits_bias.any()
    assert not model.model.shared.weight[model.config.pad_token_id].any()


def test_weights_it_has_no_use_for_are_told(rewritten: Callable[..., Path], caplog: pytest.LogCaptureFixture) -> None:
    model = models.BartModel(config_of(models.BartModel))
    with caplog.at_level(logging.WARNING, LOGGER):
        models.BartModel.from_pretrained(rewritten(model, put={"encoder.adapter": np.zeros(2, np.float32)}))
    assert "encoder.adapter" in caplog.text


def test_the_config_is_the_file_s_with_the_caller_s_changes(tmp_path: Path) -> None:
    saved = config_of(models.BlenderbotSmallForConditionalGeneration, scale_embedding=True)
    models.BlenderbotSmallForConditionalGeneration(saved).save_pretrained(tmp_path / "model")
    load = models.BlenderbotSmallForConditionalGeneration.from_pretrained
    assert load(tmp_path / "model").model.shared.scale == pytest.approx(saved.d_model**0.5)
    assert load(tmp_path / "model", scale_embedding=False).model.shared.scale == 1
    own = type(saved).from_dict(saved.to_dict(), dropout=0.7)
    assert load(tmp_path / "model", config=own, attention_dropout=0.3).config.dropout == 0.7
    assert own.attention_dropout != 0.3  # the caller's is left as it was
    own.save_pretrained(tmp_path / "config")
    assert load(tmp_path / "model", config=tmp_path / "config").config.dropout == 0.7
    with pytest.raises(ConfigError, match=r"`scale_embeddings` is not a field\. Did you mean `scale_embedding`"):
        load(tmp_path / "model", scale_embeddings=True)
    with pytest.raises(ConfigError, match=r"for BartConfig, but is 'blenderbot-small'\. Use BlenderbotSmallConfig"):
        models.BartModel.from_pretrained(tmp_path / "model")


def test_decoding_options_are_saved_and_loaded(tmp_path: Path) -> None:
    model = models.BartForConditionalGeneration(config_of(models.BartForConditionalGeneration))
    model.generation_config = GenerationConfig(num_beams=7, max_length=9, eos_token_id=[2, 5])
    model.save_pretrained(tmp_path)
    loaded = models.BartForConditionalGeneration.from_pretrained(tmp_path)
    assert loaded.generation_config == model.generation_config
    (tmp_path / "generation_config.json").unlink()
    older = models.BartForConditionalGeneration.from_pretrained(tmp_path, num_beams=3)
    assert (older.generation_config.num_beams, older.generation_config.eos_token_id) == (3, 2)
    models.BartModel.from_pretrained(tmp_path).save_pretrained(tmp_path / "bare")
    assert not (tmp_path / "bare" / "generation_config.json").exists()


def test_a_folder_says_what_it_holds(tmp_path: Path) -> None:
    model = models.BartForConditionalGeneration(config_of(models.BartForConditionalGeneration)).to(torch.bfloat16)
    model.save_pretrained(tmp_path, max_shard_size="5KB")
    fields = json.loads((tmp_path / "config.json").read_text())
    assert fields["architectures"] == ["BartForConditionalGeneration"]
    assert (fields["dtype"], fields["model_type"]) == ("bfloat16", "bart")
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 1
    with open_weights(tmp_path) as stored:
        assert "model.shared.weight" in stored.names()
        assert not {"lm_head.weight", "model.encoder.embed_tokens.weight"} & set(stored.names())  # ties are saved once
        assert {stored.dtype(name) for name in stored.names()} == {"bfloat16"}
    assert model.config.architectures is None  # the model's own config is left as it was


def test_weights_in_a_pickle_load_too(tmp_path: Path) -> None:
    model = models.BartForConditionalGeneration(config_of(models.BartForConditionalGeneration))
    model.save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    load = models.BartForConditionalGeneration.from_pretrained
    assert equal(load(tmp_path), model)
    assert equal(load(tmp_path, use_safetensors=False), model)
    with pytest.raises(CheckpointError, match=r"none of model\.safetensors.*Leave out `use_safetensors`"):
        load(tmp_path, use_safetensors=True)


def test_a_model_that_its_config_does_not_describe_is_not_saved(tmp_path: Path) -> None:
    model = models.BartForConditionalGeneration(config_of(models.BartForConditionalGeneration))
    model.lm_head.weight = torch.nn.Parameter(torch.randn_like(model.lm_head.weight))
    model.model.encoder.layers[0].fc1 = torch.nn.Linear(3, 2)
    model.adapter = torch.nn.Linear(1, 1, bias=False)
    with pytest.raises(CheckpointError) as refusal:
        model.save_pretrained(tmp_path / "folder")
    message = str(refusal.value)
    assert "`lm_head.weight` and `model.shared.weight` differ, but the config ties them. Call tie_weights" in message
    assert "`model.encoder.layers.0.fc1.weight` has shape (2, 3), but the config says" in message
    assert "`adapter.weight` is in the model, but not in its config" in message
    assert not (tmp_path / "folder").exists()


def test_other_weights_and_other_processes(tmp_path: Path) -> None:
    model = models.BartModel(config_of(models.BartModel))
    model.save_pretrained(tmp_path / "none", is_main_process=False)
    assert not (tmp_path / "none").exists()
    halved = {name: tensor / 2 for name, tensor in model.state_dict().items()}
    model.save_pretrained(tmp_path / "halved", state_dict=halved)
    loaded = models.BartModel.from_pretrained(tmp_path / "halved").state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in halved.items())


def test_a_model_can_be_saved_over_the_folder_it_came_from(tmp_path: Path) -> None:
    model = models.BartModel(config_of(models.BartModel))
    model.save_pretrained(tmp_path)
    models.BartModel.from_pretrained(tmp_path).save_pretrained(tmp_path)
    assert equal(models.BartModel.from_pretrained(tmp_path), model)


def test_what_is_damaged_or_not_there_is_told(tmp_path: Path) -> None:
    load = models.BartModel.from_pretrained
    with pytest.raises(HubError, match="There is no folder"):
        load(tmp_path / "nothing")
    with pytest.raises(CheckpointError, match=r"has no config\.json"):
        load(tmp_path)
    config_of(models.BartModel).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match=r"has no weights: none of model\.safetensors"):
        load(tmp_path)
    models.BartModel(config_of(models.BartModel)).save_pretrained(tmp_path)
    whole = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="the tensors take"):
        load(tmp_path)


def test_arguments_that_cannot_be_are_refused_with_a_reason(tmp_path: Path) -> None:
    models.BartModel(config_of(models.BartModel)).save_pretrained(tmp_path)
    load = models.BartModel.from_pretrained
    with pytest.raises(OptionError, match=r"`dtype` must be one of auto, float32, .* but is 'int8'"):
        load(tmp_path, dtype="int8")
    with pytest.raises(OptionError, match="two names of one thing"):
        load(tmp_path, dtype="float16", torch_dtype="float32")
    with pytest.raises(
        OptionError, match="`device_map` must be None, but is 'auto': a model of this family lies on one"
    ):
        load(tmp_path, device_map="auto")
    assert load(tmp_path, low_cpu_mem_usage=True, trust_remote_code=False).dtype == torch.float32
    for wish in ({"push_to_hub": True}, {"safe_serialization": False}, {"variant": "fp16"}):
        with pytest.raises(OptionError, match=f"`{next(iter(wish))}` must be"):
            load(tmp_path).save_pretrained(tmp_path, **wish)


def test_parameters_are_counted_once() -> None:
    config = BartConfig(vocab_size=50, d_model=4, encoder_layers=0 + 1, decoder_layers=1, encoder_ffn_dim=4,
                        decoder_ffn_dim=4, encoder_attention_heads=1, decoder_attention_heads=1,
                        max_position_embeddings=6)  # fmt: skip
    model = models.BartForConditionalGeneration(config)
    tables = 50 * 4 + 2 * 8 * 4
    attention, feed_forward, norm = 4 * (4 * 4 + 4), 2 * (4 * 4 + 4), 2 * 4
    layers = 3 * attention + 2 * feed_forward + (1 + 2 + 3 + 1) * norm
    assert model.num_parameters() == tables + layers
    assert model.num_parameters(exclude_embeddings=True) == layers
    model.model.shared.weight.requires_grad_(False)
    assert model.num_parameters(only_trainable=True) == 2 * 8 * 4 + layers


def test_tables_that_are_not_tied_do_not_share_memory(rewritten: Callable[..., Path]) -> None:
    """Releases 4.x saved only `shared` and lm_head of an untied model: both stacks take their tables from it."""
    model = models.BartForConditionalGeneration(
        config_of(models.BartForConditionalGeneration, tie_word_embeddings=False)
    )
    folder = rewritten(model, drop=("model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight"))
    loaded = models.BartForConditionalGeneration.from_pretrained(folder).model
    with torch.no_grad():
        loaded.encoder.embed_tokens.weight.zero_()
    assert torch.equal(loaded.decoder.embed_tokens.weight, model.model.shared.weight)
    assert torch.equal(loaded.shared.weight, model.model.shared.weight)
