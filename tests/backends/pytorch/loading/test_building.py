import copy
import inspect
import math
import pickle
from abc import ABC
from typing import Any

import pytest

from bartleby.errors import ConfigError, OptionError
from bartleby.family.config import BlenderbotConfig

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch import models  # noqa: E402  after the skip
from tests.backends.pytorch.saved_models import ALL, config_of, equal, small  # noqa: E402

each_class = pytest.mark.parametrize("model_class", ALL, ids=lambda model: model.__name__)


@each_class
def test_new_weights_are_those_of_a_new_published_model(model_class: Any) -> None:
    model = model_class(config_of(model_class, init_std=0.5))
    for name, parameter in model.named_parameters():
        if "norm" in name and name.endswith("weight"):
            assert bool((parameter == 1).all()), name
        elif name.endswith("bias"):
            assert not parameter.any(), name
        elif parameter.numel() > 200:
            assert float(parameter.detach().std()) == pytest.approx(0.5, rel=0.25), name
            assert abs(float(parameter.detach().mean())) < 5 * 0.5 / math.sqrt(parameter.numel()), name
    assert not model.get_input_embeddings().weight[model.config.pad_token_id].any()


@each_class
def test_with_no_spread_there_is_no_chance(model_class: Any) -> None:
    """What the reference library's users check: means of 0 or 1, whatever is drawn."""
    model = model_class(config_of(model_class, init_std=1e-10))
    means = {round(float(parameter.detach().mean()), 7) for parameter in model.parameters()}
    assert means <= {0.0, 1.0}


@each_class
@pytest.mark.parametrize("tied", [True, False])
def test_every_weight_is_drawn_once(monkeypatch: pytest.MonkeyPatch, model_class: Any, tied: bool) -> None:
    drawn: list[int] = []

    def watched(name: str) -> Any:
        method = getattr(torch.Tensor, name)

        def draw(tensor: Any, *arguments: Any, **options: Any) -> Any:
            drawn.extend([] if tensor.is_meta else [tensor.numel()])
            return method(tensor, *arguments, **options)

        return draw

    for name in ("normal_", "uniform_"):  # torch's own draws too
        monkeypatch.setattr(torch.Tensor, name, watched(name))
    config = config_of(model_class, tie_word_embeddings=tied)
    with torch.device("meta"):
        expected = [each.numel() for each in model_class(config).parameters() if each.dim() == 2]
    model = model_class(config)
    assert sorted(drawn) == sorted(expected)
    model.init_weights()
    assert len(drawn) == len(expected)


@each_class
def test_the_same_seed_draws_the_same_weights_in_whatever_way_a_model_is_made(model_class: Any) -> None:
    config = config_of(model_class)
    torch.manual_seed(1)
    model = model_class(config)
    torch.manual_seed(1)
    assert equal(model_class._from_config(config), model)
    torch.manual_seed(1)
    assert equal(model_class.from_pretrained(None, config=config, state_dict={}), model)
    torch.manual_seed(2)
    assert not equal(model_class(config), model)


def test_weights_are_drawn_anew_only_when_that_is_asked_for() -> None:
    model = small(models.BartForConditionalGeneration)
    before = copy.deepcopy(model)
    model.init_weights()
    assert equal(model, before)
    model.apply(model._init_weights)
    assert not equal(model, before)
    assert model.lm_head.weight is model.model.shared.weight


def test_layers_of_a_subclass_are_drawn_as_all_others() -> None:
    class WithPooler(models.BartModel):
        def __init__(self, config: Any) -> None:
            super().__init__(config)
            self.pooler = torch.nn.Linear(config.d_model, config.d_model)
            self.post_init()

    model = WithPooler(config_of(models.BartModel, init_std=0.5))
    assert not model.pooler.bias.any()
    assert float(model.pooler.weight.detach().std()) == pytest.approx(0.5, rel=0.3)


def test_a_model_from_a_config_has_the_type_asked_for_and_leaves_the_config_alone() -> None:
    config = config_of(models.BartForQuestionAnswering, num_labels=5)
    model = models.BartForQuestionAnswering._from_config(config, torch_dtype=torch.bfloat16)
    assert {tensor.dtype for tensor in model.state_dict().values()} == {torch.bfloat16}
    assert (config.num_labels, config.dtype, model.config.dtype) == (5, None, "bfloat16")
    assert torch.get_default_dtype() == torch.float32
    assert models.BartModel._from_config(config, dtype="float16", attn_implementation="eager").dtype == torch.float16
    with pytest.raises(OptionError, match="`dropout` is no argument for building from a config"):
        models.BartModel._from_config(config, dropout=0.5)


def test_shapes_alone_need_no_memory() -> None:
    with torch.device("meta"):
        models.BartForConditionalGeneration(models.BartForConditionalGeneration.config_class())
        model = models.BartForConditionalGeneration._from_config(config_of(models.BartForConditionalGeneration))
    assert all(parameter.is_meta for parameter in model.parameters())


def test_accelerate_keeps_a_model_without_numbers() -> None:
    accelerate = pytest.importorskip("accelerate", reason='needs accelerate: pip install "bartleby[train]"')
    with accelerate.init_empty_weights():
        model = small(models.BartForConditionalGeneration)
    assert all(parameter.is_meta for parameter in model.parameters())


def test_a_model_lies_where_torch_puts_new_tensors_and_has_their_type() -> None:
    torch.set_default_dtype(torch.float64)
    try:
        model = small(models.BartForConditionalGeneration)
    finally:
        torch.set_default_dtype(torch.float32)
    assert {tensor.dtype for tensor in model.state_dict().values()} == {torch.float64}
    assert {tensor.device.type for tensor in model.state_dict().values()} == {"cpu"}


def test_editors_see_the_constructor() -> None:
    assert list(inspect.signature(models.BartModel).parameters) == ["config"]
    assert list(inspect.signature(models.BartEncoder).parameters) == ["config", "embed_tokens"]


def test_abstract_classes_can_be_mixed_in() -> None:
    class Own(models.BartModel, ABC):
        pass

    assert isinstance(small(Own), models.BartModel)


def test_a_config_of_another_model_is_refused() -> None:
    with pytest.raises(ConfigError, match="BartModel needs a BartConfig, but was given a BlenderbotConfig"):
        models.BartModel(BlenderbotConfig(encoder_layers=1, decoder_layers=1))


@each_class
def test_copies_and_pickles_are_the_model_with_its_ties(model_class: Any) -> None:
    model = small(model_class)
    for copied in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert equal(model, copied)
        assert len(list(copied.parameters())) == len(list(model.parameters()))
        assert not copied.training
