import pytest

from bartleby.errors import OptionError

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch.decoding.inputs import Inputs, prepare  # noqa: E402  after the skip
from bartleby.backends.pytorch.decoding.lookahead import ModelReader  # noqa: E402
from tests.backends.pytorch.test_generation import batch, model_of, types  # noqa: E402


@types
@pytest.mark.parametrize("remembers", [True, False])
def test_what_was_forgotten_leaves_no_trace(model_type: str, remembers: bool) -> None:
    model = model_of(model_type)
    prepared = prepare(model, Inputs(**batch(model)), model.generation_config)
    reader, fresh = ModelReader(model, prepared), ModelReader(model, prepared)
    for each in (reader, fresh) if remembers else ():
        each.take_memory(8)
    wrong = torch.tensor([[5, 6, 7, 8]] * 3)
    right = torch.tensor([[5, 6, 9, 10, 11]] * 3)
    reader.look(wrong)
    reader.crop(2)
    assert reader.known == (2 if remembers else 0)
    reader.crop(4)  # it has not read so much
    found = reader.score(reader.look(right).last_hidden_state[:, -3:])
    expected = fresh.score(fresh.look(right).last_hidden_state[:, -3:])
    assert torch.allclose(found, expected, atol=1e-5)
    assert found.dtype == torch.float32


def test_a_reader_of_one_source_reads_as_the_reader_of_all() -> None:
    model = model_of("bart")
    prepared = prepare(model, Inputs(**batch(model)), model.generation_config)
    reader = ModelReader(model, prepared)
    reader.take_memory(5)
    states = reader.look(prepared.prompts).last_hidden_state
    for place in range(3):
        alone = reader.alone(place)
        assert torch.allclose(alone.look(prepared.prompts[:1]).last_hidden_state, states[place, None], atol=1e-6)
        assert alone.known == 1
    only = ModelReader(model, prepared.of(torch.tensor([0]), 1))
    assert only.alone(0) is only
    only.take_memory(5)
    only.look(prepared.prompts[:1])
    assert only.alone(0) is not only  # for a second row of the same source


def test_an_earlier_call_is_gone_on_with_once() -> None:
    model = model_of("bart", "causal_lm")
    ids = torch.tensor([[5, 6, 7, 8]])
    for way in ({"prompt_lookup_num_tokens": 3}, {"assistant_model": model_of("bart", "causal_lm", seed=1)}):
        past = model(ids[:, :3], use_cache=True).past_key_values
        assert torch.equal(
            model.generate(ids, past_key_values=past, max_new_tokens=6, **way), model.generate(ids, max_new_tokens=6)
        )
    past = model(ids[:, :3], use_cache=True).past_key_values
    with pytest.raises(OptionError, match="in one row only"):
        model.generate(ids, past_key_values=past, do_sample=True, num_return_sequences=2, prompt_lookup_num_tokens=3)


def test_vectors_may_stand_in_the_place_of_ids() -> None:
    model = model_of("bart", "causal_lm")
    vectors = model.get_input_embeddings()(torch.tensor([[5, 6, 7, 8], [9, 10, 11, 12]]))
    expected = model.generate(inputs_embeds=vectors, max_new_tokens=6)
    found = model.generate(inputs_embeds=vectors, max_new_tokens=6, prompt_lookup_num_tokens=3)
    assert torch.equal(found, expected)
    search = {"penalty_alpha": 0.6, "top_k": 4, "max_new_tokens": 6}
    ids = model.generate(torch.tensor([[5, 6, 7, 8], [9, 10, 11, 12]]), **search)
    assert torch.equal(model.generate(inputs_embeds=vectors, **search), ids[:, 4:])
    with pytest.raises(OptionError, match="has embeddings of its own"):
        model.generate(inputs_embeds=vectors, max_new_tokens=6, assistant_model=model)
