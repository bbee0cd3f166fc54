from pathlib import Path
from typing import Any

import pytest

from bartleby.errors import ConfigError
from bartleby.family.config import CONFIG_CLASSES, BartConfig
from tests.backends.checkpoint_folders import save
from tests.parity.random_models import MODEL_TYPES, random_config, seeded

pytest.importorskip("tensorflow", reason='the TensorFlow wing is not installed: pip install "bartleby[tensorflow]"')

from bartleby.backends.keras import auto, models

MAKERS = {
    auto.TFAutoModel: "Model",
    auto.TFAutoModelForSeq2SeqLM: "ForConditionalGeneration",
    auto.TFAutoModelWithLMHead: "ForConditionalGeneration",
    auto.TFAutoModelForPreTraining: "ForConditionalGeneration",
    auto.TFAutoModelForMaskedLM: "ForConditionalGeneration",
    auto.TFAutoModelForCausalLM: "ForCausalLM",
    auto.TFAutoModelForSequenceClassification: "ForSequenceClassification",
    auto.TFAutoModelForQuestionAnswering: "ForQuestionAnswering",
}
BART_ALONE = (auto.TFAutoModelForPreTraining, auto.TFAutoModelForMaskedLM)
PREFIXES = {"bart": "Bart", "blenderbot": "Blenderbot", "blenderbot-small": "BlenderbotSmall"}


@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: maker.__name__)
@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_the_class_is_picked_by_model_type(maker: Any, model_type: str) -> None:
    config = random_config(seeded("auto"), model_type)
    wanted = getattr(models, f"TF{PREFIXES[model_type]}{MAKERS[maker]}", None)
    if wanted is None or (maker in BART_ALONE and model_type != "bart"):
        with pytest.raises(ConfigError, match=f"must be one of bart for {maker.__name__}, but is '{model_type}'"):
            maker.from_config(config)
        return
    assert type(maker.from_config(config)) is wanted


def test_arguments_go_to_the_class(tmp_path: Path) -> None:
    save(tmp_path)
    model, info = auto.TFAutoModelForSequenceClassification.from_pretrained(
        tmp_path, num_labels=5, output_loading_info=True
    )
    assert type(model) is models.TFBartForSequenceClassification
    assert model.config.num_labels == 5
    assert len(info["missing_keys"]) == 4
    config = random_config(seeded("auto"), "bart")
    made = auto.TFAutoModel.from_config(config, name="mine")
    assert made.name == "mine"
    assert made.config is not config


def test_tables_of_classes_have_their_published_names() -> None:
    assert auto.TF_MODEL_MAPPING[BartConfig] is models.TFBartModel
    assert set(auto.TF_MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING) == set(CONFIG_CLASSES.values())
