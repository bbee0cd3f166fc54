from typing import get_args

import pytest

from bartleby.family.config import BartConfig, BlenderbotConfig, BlenderbotSmallConfig, PreTrainedConfig
from bartleby.family.parameters import Head, head_of, parameter_count, parameter_table


def names(config: PreTrainedConfig, head: str = "conditional_generation") -> dict[str, tuple[int, ...]]:
    return {parameter.name: parameter.shape for parameter in parameter_table(config, head)}


@pytest.mark.parametrize(
    ("config", "millions"),
    [
        # the sizes the papers and model cards state
        (BartConfig(), 406),
        (BlenderbotSmallConfig(vocab_size=54944), 88),
        (BlenderbotConfig(d_model=1280, decoder_layers=12, encoder_ffn_dim=5120, decoder_ffn_dim=5120), 365),
        (BlenderbotConfig(), 2700),
    ],
)
def test_published_models_have_their_published_sizes(config: PreTrainedConfig, millions: int) -> None:
    assert parameter_count(config) / 1e6 == pytest.approx(millions, rel=0.02)


def test_stacks_may_differ_in_depth_and_width() -> None:
    config = BlenderbotConfig(
        d_model=32,
        encoder_layers=1,
        decoder_layers=3,
        encoder_ffn_dim=8,
        decoder_ffn_dim=12,
        encoder_attention_heads=2,
        decoder_attention_heads=4,
    )
    shapes = names(config)
    assert shapes["model.encoder.layers.0.fc1.weight"] == (8, 32)
    assert shapes["model.decoder.layers.2.fc1.weight"] == (12, 32)
    assert "model.encoder.layers.1.fc1.weight" not in shapes


def test_positions_of_bart_have_two_rows_more_than_it_has_positions() -> None:
    assert names(BartConfig())["model.encoder.embed_positions.weight"] == (1026, 1024)
    assert names(BlenderbotConfig())["model.encoder.embed_positions.weight"] == (128, 2560)


def test_tied_tables_point_to_the_shared_one_and_untied_ones_stand_alone() -> None:
    tied = {parameter.name: parameter.tied_to for parameter in parameter_table(BartConfig())}
    assert tied["lm_head.weight"] == tied["model.decoder.embed_tokens.weight"] == "model.shared.weight"
    untied = parameter_table(BartConfig(tie_word_embeddings=False))
    assert all(parameter.tied_to is None for parameter in untied)
    assert parameter_count(BartConfig(tie_word_embeddings=False)) == parameter_count(BartConfig()) + 3 * 50265 * 1024


def test_a_causal_lm_has_a_decoder_that_can_look_at_an_encoder_but_no_encoder() -> None:
    shapes = names(BartConfig(), "causal_lm")
    assert not any(name.startswith(("model.encoder.", "model.shared")) for name in shapes)
    assert "model.decoder.layers.11.encoder_attn.q_proj.weight" in shapes


@pytest.mark.parametrize("side", ["encoder", "decoder"])
def test_a_stack_alone_has_its_own_table_of_tokens(side: str) -> None:
    stack = names(BartConfig(), side)
    assert all(name.startswith(f"model.{side}.") for name in stack)
    whole = {name for name in names(BartConfig(), "none") if name.startswith(f"model.{side}.")}
    assert set(stack) == whole
    assert all(parameter.tied_to is None for parameter in parameter_table(BartConfig(), side))


def test_each_head_adds_only_its_own_parameters() -> None:
    bare = set(names(BartConfig(), "none"))
    assert set(names(BartConfig(), "question_answering")) - bare == {"qa_outputs.weight", "qa_outputs.bias"}
    classes = names(BartConfig(num_labels=5), "sequence_classification")
    assert classes["classification_head.out_proj.weight"] == (5, 1024)
    assert set(names(BartConfig())) - bare == {"lm_head.weight", "final_logits_bias"}


def test_no_name_stands_twice() -> None:
    for head in get_args(Head):
        listed = [parameter.name for parameter in parameter_table(BartConfig(), head)]
        assert len(listed) == len(set(listed))


@pytest.mark.parametrize(
    ("architectures", "head"),
    [
        (["BartModel"], "none"),
        (["BartEncoder"], "encoder"),
        (["BartForQuestionAnswering"], "question_answering"),
        (["BartForCausalLM", "BartModel"], "causal_lm"),
        ([], "conditional_generation"),
        (None, "conditional_generation"),
        ([3], "conditional_generation"),
        (["Unheard"], "conditional_generation"),
    ],
)
def test_the_head_is_that_of_the_class_in_the_config(architectures: list[str] | None, head: Head) -> None:
    assert head_of(BartConfig(architectures=architectures)) == head
