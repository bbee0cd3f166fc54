from typing import Any

import pytest

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch.cache import DynamicCache, EncoderDecoderCache  # noqa: E402  after the skip
from bartleby.backends.pytorch.decoding.inputs import Inputs, by_prompt_length, given_states, prepare  # noqa: E402
from bartleby.errors import LengthError, OptionError, ShapeError  # noqa: E402
from tests.backends.pytorch.test_generation import batch, model_of, types  # noqa: E402


def test_the_start_token_is_put_before_prompts_that_lack_it() -> None:
    model = model_of("bart")
    start = model.config.decoder_start_token_id
    given = batch(model)

    def prompts(ids: list[list[int]], mask: list[list[int]] | None = None) -> list[list[int]]:
        more = None if mask is None else torch.tensor(mask)
        inputs = Inputs(**given, decoder_input_ids=torch.tensor(ids), decoder_attention_mask=more)
        return prepare(model, inputs, model.generation_config).prompts.tolist()

    assert prompts([[7], [8], [9]]) == [[start, 7], [start, 8], [start, 9]]
    assert prompts([[start, 7]] * 3) == [[start, 7]] * 3
    padded = [[1, start, 7], [start, 7, 8], [1, 1, start]]
    assert prompts(padded, [[0, 1, 1], [1, 1, 1], [0, 0, 1]]) == padded


def test_prompts_are_written_by_where_they_end() -> None:
    model = model_of("bart")
    start = model.config.decoder_start_token_id
    inputs = Inputs(
        **batch(model),
        decoder_input_ids=torch.tensor([[start, 7, 8], [start, 1, 1], [start, 9, 9]]),
        decoder_attention_mask=torch.tensor([[1, 1, 1], [1, 0, 0], [1, 1, 1]]),
    )
    prepared = prepare(model, inputs, model.generation_config)
    groups = [(rows.tolist(), part.prompts.tolist()) for rows, part in by_prompt_length(prepared)]
    assert groups == [([1], [[start]]), ([0, 2], [[start, 7, 8], [start, 9, 9]])]


def test_encoder_states_are_taken_in_every_form() -> None:
    states = torch.zeros(2, 3, 16)
    for form in ((states,), [states], {"last_hidden_state": states}, states):
        found = given_states(form, torch.device("cpu"))
        assert found is not None
        assert found.last_hidden_state is states
    assert given_states(None, torch.device("cpu")) is None
    for form in (5, "states", (), {}, (5,)):
        with pytest.raises(ShapeError, match="`encoder_outputs` must be what an encoder gave, but is a"):
            given_states(form, torch.device("cpu"))


def test_what_is_no_tensor_is_refused_with_the_remedy() -> None:
    model = model_of("bart")
    with pytest.raises(ShapeError, match=r"`input_ids` must be a tensor .* but is a list. Ask .* `return_tensors"):
        model.generate([[5, 2]])
    with pytest.raises(ShapeError, match=r"`attention_mask` must be a tensor of shape \(1, 2\), but is a list"):
        model.generate(torch.tensor([[5, 2]]), attention_mask=[[1, 1]])


def test_a_row_that_is_all_padding_is_refused() -> None:
    model = model_of("bart")
    with pytest.raises(ShapeError, match="`attention_mask` must leave something of every row"):
        prepare(
            model,
            Inputs(input_ids=torch.tensor([[5, 2], [6, 2]]), attention_mask=torch.tensor([[1, 1], [0, 0]])),
            model.generation_config,
        )


def test_a_decoder_alone_may_look_at_given_states() -> None:
    model = model_of("bart", "causal_lm")
    ids, states = torch.tensor([[5, 6]]), torch.randn(1, 3, model.config.d_model, dtype=torch.float64)
    with_states = model.generate(ids, encoder_hidden_states=states, max_new_tokens=6, min_new_tokens=6)
    step = model(with_states[:, :-1], encoder_hidden_states=states).logits[:, 1:]
    banned = step.index_fill(2, torch.tensor([2]), -torch.inf)
    assert torch.equal(banned.argmax(dim=2), with_states[:, 2:])


@types
@pytest.mark.parametrize("options", [{}, {"num_beams": 3}, {"use_cache": False}], ids=["greedy", "beams", "cacheless"])
def test_a_decoder_alone_may_read_vectors_in_the_place_of_ids(model_type: str, options: dict[str, Any]) -> None:
    model = model_of(model_type, "causal_lm")
    ids = torch.tensor([[5, 6, 7], [8, 9, 10]])
    embeds = model.get_input_embeddings()(ids)
    expected = model.generate(ids, max_new_tokens=5, **options)
    assert torch.equal(model.generate(inputs_embeds=embeds, max_new_tokens=5, **options), expected[:, 3:])
    assert torch.equal(model.generate(ids, inputs_embeds=embeds, max_new_tokens=5, **options), expected)
    assert model.generate(inputs_embeds=embeds, max_length=5, min_length=5).shape[1] == 2  # vectors count
    with pytest.raises(OptionError, match="more than the 3 vectors of the prompt, but is 2"):
        model.generate(inputs_embeds=embeds, max_length=2)


@types
@pytest.mark.parametrize("options", [{}, {"num_beams": 3}, {"output_scores": True}], ids=["greedy", "beams", "whole"])
@pytest.mark.parametrize("form", ["ours", "tuple", "growing"])
def test_writing_goes_on_from_an_earlier_call(model_type: str, options: dict[str, Any], form: str) -> None:
    model, inputs = model_of(model_type), batch(model_of(model_type))
    lengths = {"min_new_tokens": 6, "max_new_tokens": 6}
    expected = model.generate(**inputs, **lengths, **options, return_dict_in_generate=True)
    first = model.generate(**inputs, min_new_tokens=3, max_new_tokens=3, return_dict_in_generate=True)
    past = first.past_key_values
    assert isinstance(past.self_attention_cache, DynamicCache)  # as published: it can grow
    known = past.to_legacy_cache()
    past = {"ours": past, "tuple": past.to_legacy_cache(), "growing": EncoderDecoderCache(past.to_legacy_cache())}[form]
    again = model.generate(
        **inputs, decoder_input_ids=first.sequences, past_key_values=past, min_new_tokens=3, max_new_tokens=3,
        **options, return_dict_in_generate=True,
    )  # fmt: skip
    fresh = model.generate(
        **inputs, decoder_input_ids=first.sequences, min_new_tokens=3, max_new_tokens=3, **options,
        return_dict_in_generate=True,
    )  # fmt: skip
    assert torch.equal(again.sequences, fresh.sequences)
    if "num_beams" not in options:
        assert torch.equal(again.sequences, expected.sequences)
    if form != "tuple" and not options:
        assert past.get_seq_length() == 6  # written on, as published
    if form == "growing" and "num_beams" not in options:  # also of sources that were finished before the others
        assert {len(keys) for keys, *_ in past} == {3}
    with pytest.raises(LengthError, match="longer than the 3 tokens that `past_key_values` knows, but has 3"):
        model.generate(**inputs, decoder_input_ids=first.sequences[:, :3], past_key_values=known)
