from typing import Any

import pytest

from bartleby.errors import ConfigError
from bartleby.family.architecture import ARCHITECTURES
from bartleby.family.config import BartConfig, BlenderbotConfig
from bartleby.family.parameters import parameter_table
from tests.parity.random_models import random_config, seeded, small_bart

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch import causal, heads, modeling, models, readers  # noqa: E402  after the skip
from bartleby.backends.pytorch.model import Model  # noqa: E402

PREFIXES = {"bart": "Bart", "blenderbot": "Blenderbot", "blenderbot-small": "BlenderbotSmall"}
HEADS: dict[str, type] = {
    "Model": heads.Seq2SeqModel,
    "ForConditionalGeneration": heads.ConditionalGeneration,
    "ForSequenceClassification": readers.SequenceClassification,
    "ForQuestionAnswering": readers.QuestionAnswering,
    "ForCausalLM": causal.CausalLM,
    "Encoder": modeling.Encoder,
    "Decoder": modeling.Decoder,
}
OF_BART_ALONE = ("ForSequenceClassification", "ForQuestionAnswering")
ALL = [
    model
    for model in vars(models).values()
    if isinstance(model, type) and issubclass(model, Model) and "PreTrained" not in model.__name__
]


def test_every_documented_model_is_there_and_no_other() -> None:
    wanted = {
        prefix + head
        for model_type, prefix in PREFIXES.items()
        for head in HEADS
        if model_type == "bart" or head not in OF_BART_ALONE
    }
    assert {model.__name__ for model in ALL} == wanted
    assert {name for name in models.__all__ if name.endswith(("Model", "DecoderWrapper"))} >= {
        prefix + part for prefix in PREFIXES.values() for part in ("PreTrainedModel", "DecoderWrapper")
    }


def test_what_is_listed_is_there() -> None:
    assert all(hasattr(models, name) for name in models.__all__)


@pytest.mark.parametrize("model_type", ARCHITECTURES)
def test_each_class_binds_its_configuration_to_its_head(model_type: str) -> None:
    prefix = PREFIXES[model_type]
    for suffix, head in HEADS.items():
        found = getattr(models, prefix + suffix, None)
        if found is not None:
            assert issubclass(found, head)
            assert issubclass(found, getattr(models, f"{prefix}PreTrainedModel"))
            assert found.config_class.model_type == model_type
            assert found.can_generate() == (suffix in ("ForConditionalGeneration", "ForCausalLM"))
            if issubclass(found, heads.HeadedModel):
                assert found.bare_class is getattr(models, prefix + "Model")


@pytest.mark.parametrize("model_type", ARCHITECTURES)
def test_the_parts_of_a_model_are_of_the_published_classes(model_type: str) -> None:
    prefix = PREFIXES[model_type]
    model = getattr(models, f"{prefix}ForConditionalGeneration")(random_config(seeded("parts"), model_type))
    assert type(model.model) is getattr(models, f"{prefix}Model")
    assert type(model.get_encoder()) is getattr(models, f"{prefix}Encoder")
    assert type(model.get_decoder()) is getattr(models, f"{prefix}Decoder")
    assert isinstance(model.model.encoder.layers[0], models.BartEncoderLayer)
    assert isinstance(model.model.decoder.layers[0].encoder_attn, models.BartAttention)


def test_a_stack_can_share_a_table() -> None:
    table = torch.nn.Embedding(50, 16)
    for stack in (models.BartEncoder(small_bart(), table), models.BartDecoder(small_bart(), embed_tokens=table)):
        assert stack.embed_tokens.weight is table.weight
        assert stack.get_input_embeddings() is stack.embed_tokens


@pytest.mark.parametrize("model_class", ALL, ids=lambda model: model.__name__)
@pytest.mark.parametrize("tied", [True, False])
def test_a_model_has_exactly_the_declared_parameters_and_ties(model_class: Any, tied: bool) -> None:
    config = random_config(seeded(model_class.__name__), model_class.config_class.model_type)
    config.tie_word_embeddings = tied
    model = model_class(config)
    prefix = {"none": "model.", "encoder": "model.encoder.", "decoder": "model.decoder."}.get(
        model_class.table_head, ""
    )
    built = {prefix + name: tensor for name, tensor in model.state_dict(keep_vars=True).items()}
    table = {parameter.name: parameter for parameter in parameter_table(config, model_class.table_head)}
    assert {name: tuple(tensor.shape) for name, tensor in built.items()} == {n: p.shape for n, p in table.items()}
    for name, parameter in table.items():
        if parameter.tied_to is not None:
            assert built[name] is built[parameter.tied_to]
    assert len({id(tensor) for tensor in built.values()}) == sum(p.tied_to is None for p in table.values())


@pytest.mark.parametrize("model_class", ALL, ids=lambda model: model.__name__)
def test_a_model_refuses_the_configuration_of_another(model_class: Any) -> None:
    wrong = BlenderbotConfig if model_class.config_class is BartConfig else BartConfig
    with pytest.raises(ConfigError, match=f"needs a {model_class.config_class.__name__}.*given a {wrong.__name__}"):
        model_class(wrong())
