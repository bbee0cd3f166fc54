from pathlib import Path
from typing import Any

import pytest

from bartleby.errors import ConfigError
from bartleby.family.config import CONFIG_CLASSES, BartConfig
from tests.backends.checkpoint_folders import save
from tests.parity.random_models import MODEL_TYPES, random_config, seeded

jax = pytest.importorskip("jax", reason='the Flax wing is not installed: pip install "bartleby[flax]"')
pytest.importorskip("flax", reason='the Flax wing is not installed: pip install "bartleby[flax]"')

from bartleby.backends.flax import auto, models  # noqa: E402  after the skip

MAKERS = {
    auto.FlaxAutoModel: "Model",
    auto.FlaxAutoModelForSeq2SeqLM: "ForConditionalGeneration",
    auto.FlaxAutoModelWithLMHead: "ForConditionalGeneration",
    auto.FlaxAutoModelForPreTraining: "ForConditionalGeneration",
    auto.FlaxAutoModelForMaskedLM: "ForConditionalGeneration",
    auto.FlaxAutoModelForCausalLM: "ForCausalLM",
    auto.FlaxAutoModelForSequenceClassification: "ForSequenceClassification",
    auto.FlaxAutoModelForQuestionAnswering: "ForQuestionAnswering",
}
BART_ALONE = (auto.FlaxAutoModelForPreTraining, auto.FlaxAutoModelForMaskedLM)
PREFIXES = {"bart": "Bart", "blenderbot": "Blenderbot", "blenderbot-small": "BlenderbotSmall"}


@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: maker.__name__)
@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_the_class_is_picked_by_model_type(maker: Any, model_type: str) -> None:
    config = random_config(seeded("auto"), model_type)
    wanted = getattr(models, f"Flax{PREFIXES[model_type]}{MAKERS[maker]}", None)
    if wanted is None or (maker in BART_ALONE and model_type != "bart"):
        with pytest.raises(ConfigError, match=f"must be one of bart for {maker.__name__}, but is '{model_type}'"):
            maker.from_config(config, _do_init=False)
        return
    assert type(maker.from_config(config, _do_init=False)) is wanted


def test_arguments_go_to_the_class(tmp_path: Path) -> None:
    save(tmp_path)
    model, params = auto.FlaxAutoModelForSeq2SeqLM.from_pretrained(
        tmp_path, jax.numpy.bfloat16, dropout=0.5, _do_init=False
    )
    assert type(model) is models.FlaxBartForConditionalGeneration
    assert (model.config.dropout, model.dtype) == (0.5, jax.numpy.bfloat16)
    assert params["model"]["shared"]["embedding"].dtype == jax.numpy.float32
    config = random_config(seeded("auto"), "bart")
    assert auto.FlaxAutoModel.from_config(config, dtype=jax.numpy.float16, seed=3).dtype == jax.numpy.float16


def test_tables_of_classes_have_their_published_names() -> None:
    assert auto.FLAX_MODEL_MAPPING[BartConfig] is models.FlaxBartModel
    assert set(auto.FLAX_MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING) == set(CONFIG_CLASSES.values())
