import logging
from typing import Any

import pytest

from bartleby.errors import OptionError

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch import models  # noqa: E402  after the skip
from bartleby.backends.pytorch.auto import AutoModel  # noqa: E402
from bartleby.backends.pytorch.models import BartModel  # noqa: E402
from bartleby.family.config import BartConfig  # noqa: E402
from bartleby.generation.config import GenerationConfig  # noqa: E402
from tests.backends.pytorch.saved_models import ALL, small  # noqa: E402

PADDED = torch.tensor([[5, 6, 2], [5, 2, 1]])


@pytest.mark.parametrize("model_class", ALL, ids=lambda model: model.__name__)
def test_small_names_that_scripts_read(model_class: Any) -> None:
    model = small(model_class)
    assert (model.base_model_prefix, model.main_input_name, model.framework) == ("model", "input_ids", "pt")
    assert model_class.can_generate() == hasattr(model, "generate")
    assert model_class.generation_config_class is GenerationConfig
    assert (model.device, model.dtype, model.name_or_path) == (torch.device("cpu"), torch.float32, "")
    assert model.half().dtype == torch.float16
    assert model.to(torch.bfloat16).dtype == torch.bfloat16
    assert model.float().dtype == torch.float32
    assert model._keys_to_ignore_on_save is None


def test_pads_without_a_mask_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    model = small(models.BartForConditionalGeneration)
    with caplog.at_level(logging.WARNING):
        model.warn_if_padding_and_no_attention_mask(PADDED, torch.ones_like(PADDED))
        model.warn_if_padding_and_no_attention_mask(PADDED[:1], None)
        assert caplog.text == ""
        model.warn_if_padding_and_no_attention_mask(PADDED, None)
        model.warn_if_padding_and_no_attention_mask(PADDED, None)
    assert caplog.text.count("no `attention_mask` hides them") == 1


def test_attention_has_one_implementation_with_two_published_names() -> None:
    model = small(models.BartModel)
    model.set_attn_implementation("eager")
    model.set_attn_implementation("sdpa")
    with pytest.raises(OptionError, match="must be 'sdpa' or 'eager', but is 'flash_attention_2'"):
        model.set_attn_implementation("flash_attention_2")


def test_an_auto_class_hands_out_a_class_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    mapping = dict(AutoModel._model_mapping)
    monkeypatch.setattr(AutoModel, "_model_mapping", mapping)

    class QuillModel(BartModel):
        pass

    QuillModel.register_for_auto_class()
    assert mapping[BartConfig] is QuillModel
    with pytest.raises(OptionError, match="must name an auto class such as 'AutoModel', but is 'AutoTokenizer'"):
        QuillModel.register_for_auto_class("AutoTokenizer")
