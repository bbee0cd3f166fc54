from pathlib import Path

import numpy as np
import pytest

from bartleby.errors import OptionError
from bartleby.family.config import BartConfig
from bartleby.generation.config import GenerationConfig
from tests.backends.checkpoint_folders import save
from tests.parity.random_models import small_bart

pytest.importorskip("tensorflow", reason='the TensorFlow wing is not installed: pip install "bartleby[tensorflow]"')

import keras

from bartleby.backends.keras import auto, models
from bartleby.backends.keras.pretrained import TFPreTrainedModel


def test_what_published_models_say_of_themselves() -> None:
    model = models.TFBartForConditionalGeneration(small_bart())
    assert isinstance(model, TFPreTrainedModel)
    assert isinstance(model, keras.Model)
    assert (model.framework, model.base_model_prefix, model.main_input_name) == ("tf", "model", "input_ids")
    assert (model.config_class, model.generation_config_class) == (BartConfig, GenerationConfig)


def test_models_that_write_say_so() -> None:
    assert models.TFBartForConditionalGeneration.can_generate()
    assert models.TFBlenderbotSmallForCausalLM.can_generate()
    assert not models.TFBartModel.can_generate()
    assert not models.TFBartForQuestionAnswering.can_generate()


def test_a_class_of_ones_own_is_handed_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Own(models.TFBartModel):
        pass

    monkeypatch.setattr(auto.TFAutoModel, "_model_mapping", dict(auto.TF_MODEL_MAPPING))
    save(tmp_path)
    Own.register_for_auto_class()
    assert type(auto.TFAutoModel.from_pretrained(tmp_path)) is Own
    with pytest.raises(OptionError, match="but is 'AutoModel'"):
        Own.register_for_auto_class("AutoModel")


def test_keras_saves_and_loads_in_its_own_ways(tmp_path: Path) -> None:
    for model_class in (models.TFBartForConditionalGeneration, models.TFBartModel):
        model = model_class(small_bart())
        model.save_weights(tmp_path / "model.weights.h5")
        other = model_class(small_bart())
        other.load_weights(tmp_path / "model.weights.h5")
        model.save(tmp_path / "model.keras")
        third = keras.models.load_model(tmp_path / "model.keras")
        assert type(third) is model_class
        for name, variable in model.variables_by_name().items():
            for again in (other, third):
                assert np.array_equal(again.variables_by_name()[name].numpy(), variable.numpy()), name
