import pytest

from bartleby.family.architecture import ARCHITECTURES

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch import heads, models  # noqa: E402  after the skip

PREFIXES = {"bart": "Bart", "blenderbot": "Blenderbot", "blenderbot-small": "BlenderbotSmall"}
HEADS = {
    "Model": heads.Seq2SeqModel,
    "ForConditionalGeneration": heads.ConditionalGeneration,
    "ForSequenceClassification": heads.SequenceClassification,
    "ForQuestionAnswering": heads.QuestionAnswering,
    "ForCausalLM": heads.CausalLM,
}
DOCUMENTED_FOR_ALL = ("Model", "ForConditionalGeneration", "ForCausalLM")


def test_every_documented_class_is_there_and_no_other() -> None:
    wanted = {
        prefix + head
        for model_type, prefix in PREFIXES.items()
        for head in (HEADS if model_type == "bart" else DOCUMENTED_FOR_ALL)
    }
    assert {name for name, value in vars(models).items() if isinstance(value, type) and "Config" not in name} == wanted


@pytest.mark.parametrize("model_type", ARCHITECTURES)
def test_each_class_binds_its_configuration_to_its_head(model_type: str) -> None:
    for suffix, head in HEADS.items():
        found = getattr(models, PREFIXES[model_type] + suffix, None)
        if found is not None:
            assert issubclass(found, head)
            assert found.config_class.model_type == model_type
            assert found.can_generate() == (suffix in ("ForConditionalGeneration", "ForCausalLM"))
            if issubclass(found, heads.HeadedModel):
                assert found.bare_class is getattr(models, PREFIXES[model_type] + "Model")
