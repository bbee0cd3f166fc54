from pathlib import Path

import pytest

from bartleby.errors import OptionError
from bartleby.family.config import BartConfig
from bartleby.generation.config import GenerationConfig
from tests.backends.checkpoint_folders import save
from tests.parity.random_models import small_bart

pytest.importorskip("jax", reason='the Flax wing is not installed: pip install "bartleby[flax]"')
pytest.importorskip("flax", reason='the Flax wing is not installed: pip install "bartleby[flax]"')

from bartleby.backends.flax import auto, models
from bartleby.backends.flax.pretrained import FlaxPreTrainedModel


def test_what_published_models_say_of_themselves() -> None:
    model = models.FlaxBartForConditionalGeneration(small_bart(), _do_init=False)
    assert isinstance(model, FlaxPreTrainedModel)
    assert (model.framework, model.base_model_prefix, model.main_input_name) == ("flax", "model", "input_ids")
    assert (model.config_class, model.generation_config_class) == (BartConfig, GenerationConfig)


def test_models_that_write_say_so() -> None:
    assert models.FlaxBartForConditionalGeneration.can_generate()
    assert models.FlaxBlenderbotSmallForCausalLM.can_generate()
    assert not models.FlaxBartModel.can_generate()
    assert not models.FlaxBartForQuestionAnswering.can_generate()


def test_a_class_of_ones_own_is_handed_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Own(models.FlaxBartModel):
        pass

    monkeypatch.setattr(auto.FlaxAutoModel, "_model_mapping", dict(auto.FLAX_MODEL_MAPPING))
    save(tmp_path)
    Own.register_for_auto_class()
    assert type(auto.FlaxAutoModel.from_pretrained(tmp_path)) is Own
    with pytest.raises(OptionError, match="but is 'AutoModel'"):
        Own.register_for_auto_class("AutoModel")
