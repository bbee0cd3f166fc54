from typing import Any

import pytest

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from tests.backends.pytorch.test_generation import SOURCES, batch, model_of, types  # noqa: E402  after the skip

EVERYTHING = {
    "return_dict_in_generate": True,
    "output_scores": True,
    "output_logits": True,
    "output_attentions": True,
    "output_hidden_states": True,
}
ways = pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_beams": 3},
        {"num_beams": 4, "num_return_sequences": 2, "length_penalty": 0.5, "early_stopping": True},
        {"do_sample": True, "num_return_sequences": 2, "top_k": 5},
    ],
    ids=["greedy", "beams", "several", "samples"],
)


def rows_of(options: dict[str, Any]) -> int:
    return len(SOURCES) * max(options.get("num_beams", 1), options.get("num_return_sequences", 1))


@types
@ways
def test_asking_to_see_more_changes_nothing(model_type: str, options: dict[str, Any]) -> None:
    model = model_of(model_type)
    torch.manual_seed(0)
    expected = model.generate(**batch(model), **options)
    torch.manual_seed(0)
    output = model.generate(**batch(model), **options, **EVERYTHING)
    assert torch.equal(output.sequences, expected)
    assert torch.equal(output[0], expected)


@types
@ways
def test_every_step_is_there_with_the_published_shapes(model_type: str, options: dict[str, Any]) -> None:
    model = model_of(model_type)
    output = model.generate(**batch(model), **options, **EVERYTHING, min_length=4)
    config, r, s = model.config, rows_of(options), batch(model)["input_ids"].shape[1]
    steps = len(output.scores)
    assert steps >= output.sequences.shape[1] - 1
    assert len(output.logits) == len(output.decoder_attentions) == len(output.cross_attentions) == steps
    assert {tuple(each.shape) for each in (*output.scores, *output.logits)} == {(r, config.vocab_size)}
    assert {each.dtype for each in (*output.scores, *output.logits)} == {torch.float32}
    heads = config.decoder_attention_heads
    for place, (own, cross, hidden) in enumerate(
        zip(output.decoder_attentions, output.cross_attentions, output.decoder_hidden_states, strict=True)
    ):
        assert {tuple(each.shape) for each in own} == {(r, heads, 1, place + 1)}
        assert {tuple(each.shape) for each in cross} == {(r, heads, 1, s)}
        assert {tuple(each.shape) for each in hidden} == {(r, 1, config.d_model)}
        assert (len(own), len(hidden)) == (config.decoder_layers, config.decoder_layers + 1)
    assert len(output.encoder_attentions) == config.encoder_layers
    assert output.encoder_hidden_states[0].shape == (len(SOURCES), s, config.d_model)
    assert output.past_key_values.get_seq_length() == steps


@types
@pytest.mark.parametrize("penalty", [1.0, 0.0, 2.0])
def test_the_scores_of_the_steps_add_up_to_that_of_the_sequence(model_type: str, penalty: float) -> None:
    model = model_of(model_type)
    output = model.generate(
        **batch(model), **EVERYTHING, num_beams=4, num_return_sequences=3, length_penalty=penalty, min_length=3
    )
    parts = model.compute_transition_scores(output.sequences, output.scores, output.beam_indices)
    lengths = (output.beam_indices >= 0).sum(dim=1)
    assert torch.allclose(parts.sum(dim=1) / lengths**penalty, output.sequences_scores, atol=1e-4)
    assert (output.beam_indices < rows_of({"num_beams": 4})).all()
    normalized = model.compute_transition_scores(output.sequences, output.logits, output.beam_indices, True)
    assert torch.allclose(normalized, parts, atol=1e-4) or model.generation_config.min_length > 0


def test_without_beams_row_i_is_sequence_i() -> None:
    model = model_of("bart")
    output = model.generate(**batch(model), **EVERYTHING, min_length=5, max_length=5)
    parts = model.compute_transition_scores(output.sequences, output.logits, normalize_logits=True)
    logits = model(**batch(model), decoder_input_ids=output.sequences).logits.float().log_softmax(dim=2)
    expected = logits[:, :-1].gather(2, output.sequences[:, 1:, None])[:, :, 0]
    assert torch.allclose(parts, expected, atol=1e-4)


@types
def test_a_decoder_alone_is_recorded_under_its_own_names(model_type: str) -> None:
    model = model_of(model_type, "causal_lm")
    ids = torch.tensor([[5, 6, 7], [8, 9, 10]])
    output = model.generate(ids, **EVERYTHING, max_new_tokens=3, num_beams=2)
    assert type(output).__name__ == "GenerateBeamDecoderOnlyOutput"
    assert output.attentions[0][0].shape[2:] == (3, 3)  # the prompt is read at once
    assert output.hidden_states[1][0].shape[:2] == (4, 1)


def test_only_what_is_asked_for_is_there() -> None:
    model = model_of("bart")
    output = model.generate(**batch(model), return_dict_in_generate=True, num_beams=2)
    assert list(output) == ["sequences", "beam_indices", "past_key_values"]
    assert output.sequences_scores is None  # as published: with output_scores only
    cacheless = model.generate(**batch(model), return_dict_in_generate=True, use_cache=False)
    assert list(cacheless) == ["sequences"]
