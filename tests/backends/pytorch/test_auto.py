from pathlib import Path
from typing import Any

import pytest

from bartleby.errors import CheckpointError, ConfigError, HubError
from bartleby.family.config import BartConfig
from tests.parity.random_models import MODEL_TYPES, random_config, seeded

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch import auto, models  # noqa: E402  after the skip

MAKERS = {
    auto.AutoModel: "Model",
    auto.AutoModelForSeq2SeqLM: "ForConditionalGeneration",
    auto.AutoModelWithLMHead: "ForConditionalGeneration",
    auto.AutoModelForCausalLM: "ForCausalLM",
    auto.AutoModelForSequenceClassification: "ForSequenceClassification",
    auto.AutoModelForQuestionAnswering: "ForQuestionAnswering",
}
PREFIXES = {"bart": "Bart", "blenderbot": "Blenderbot", "blenderbot-small": "BlenderbotSmall"}


@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: maker.__name__)
@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_the_class_is_picked_by_model_type(tmp_path: Path, maker: Any, model_type: str) -> None:
    config = random_config(seeded("auto"), model_type)
    wanted = getattr(models, PREFIXES[model_type] + MAKERS[maker], None)
    if wanted is None:
        with pytest.raises(ConfigError, match=f"must be one of bart for {maker.__name__}, but is '{model_type}'"):
            maker.from_config(config)
        return
    assert type(maker.from_config(config)) is wanted
    wanted(config).save_pretrained(tmp_path)
    assert type(maker.from_pretrained(tmp_path)) is wanted
    assert type(maker.from_pretrained(tmp_path, config=config)) is wanted


def test_arguments_go_to_the_class(tmp_path: Path) -> None:
    config = random_config(seeded("auto"), "bart")
    models.BartForConditionalGeneration(config).save_pretrained(tmp_path)
    model, told = auto.AutoModelForSequenceClassification.from_pretrained(
        tmp_path, num_labels=5, dtype="bfloat16", output_loading_info=True
    )
    assert (model.config.num_labels, model.dtype) == (5, torch.bfloat16)
    assert len(told["missing_keys"]) == 4


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HubError, match="There is no folder"):
        auto.AutoModel.from_pretrained(tmp_path / "nothing")
    with pytest.raises(CheckpointError, match=r"config\.json"):
        auto.AutoModel.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    with pytest.raises(ConfigError, match="bart, blenderbot"):
        auto.AutoModel.from_pretrained(tmp_path)


def test_auto_classes_have_no_instances() -> None:
    with pytest.raises(TypeError, match=r"Use AutoModel\.from_pretrained"):
        auto.AutoModel()


@pytest.mark.parametrize("maker", [auto.AutoModelForPreTraining, auto.AutoModelForMaskedLM])
def test_only_bart_was_published_with_a_head_that_fills_masks(maker: Any) -> None:
    assert type(maker.from_config(random_config(seeded("auto"), "bart"))) is models.BartForConditionalGeneration
    with pytest.raises(ConfigError, match=f"must be one of bart for {maker.__name__}, but is 'blenderbot'"):
        maker.from_config(random_config(seeded("auto"), "blenderbot"))


def test_a_config_is_built_as_asked_and_left_alone() -> None:
    config = random_config(seeded("auto"), "bart")
    model = auto.AutoModelForQuestionAnswering.from_config(config, torch_dtype="float16", trust_remote_code=True)
    assert model.dtype == torch.float16
    assert model.config is not config


def test_models_of_one_s_own_are_handed_out_after_they_were_registered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class OwnConfig(BartConfig):
        pass

    class OwnModel(models.BartModel):
        config_class = OwnConfig

    monkeypatch.setattr(auto.AutoModel, "_model_mapping", dict(auto.MODEL_MAPPING))
    config = OwnConfig.from_dict(random_config(seeded("auto"), "bart").to_dict())
    assert type(auto.AutoModel.from_config(config)) is models.BartModel  # the nearest there is
    auto.AutoModel.register(OwnConfig, OwnModel)
    model = auto.AutoModel.from_config(config)
    assert type(model) is OwnModel
    model.save_pretrained(tmp_path)
    assert type(auto.AutoModel.from_pretrained(tmp_path, config=config)) is OwnModel
    with pytest.raises(ConfigError, match="OwnConfig has OwnModel already"):
        auto.AutoModel.register(OwnConfig, OwnModel)
    auto.AutoModel.register(OwnConfig, OwnModel, exist_ok=True)
    with pytest.raises(ConfigError, match="`config_class` must be OwnConfig, which OwnModel is built from"):
        auto.AutoModel.register(BartConfig, OwnModel)


def test_tables_of_classes_have_their_published_names() -> None:
    assert auto.MODEL_MAPPING[BartConfig] is models.BartModel
    assert {BartConfig: models.BartForSequenceClassification} == auto.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING


def test_old_keywords_of_the_hub_reach_config_and_model_alike(tmp_path: Path) -> None:
    models.BartModel(random_config(seeded("auto"), "bart")).save_pretrained(tmp_path / "inner")
    model = auto.AutoModel.from_pretrained(tmp_path, subfolder="inner", use_auth_token=False, resume_download=True)
    assert type(model) is models.BartModel
