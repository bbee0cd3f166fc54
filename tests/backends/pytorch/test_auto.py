from pathlib import Path
from typing import Any

import pytest

from bartleby.errors import CheckpointError, ConfigError, HubError
from tests.parity.random_models import MODEL_TYPES, random_config, seeded

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch import auto, models  # noqa: E402  after the skip

MAKERS = {
    auto.AutoModel: "Model",
    auto.AutoModelForSeq2SeqLM: "ForConditionalGeneration",
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
