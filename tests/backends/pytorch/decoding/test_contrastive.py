from typing import Any

import pytest

from bartleby.errors import LengthError, OptionError
from bartleby.generation.config import GenerationConfig
from tests.generation.markov import START, VOCABULARY, random_tables
from tests.parity.random_models import POSITIONS

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch.backend import PyTorchBackend  # noqa: E402  after the skip
from bartleby.backends.pytorch.decoding.contrastive import contrastive_search, most_worthwhile  # noqa: E402  after the skip
from bartleby.backends.pytorch.decoding.task import Task  # noqa: E402
from tests.backends.pytorch.table_reader import TableReader  # noqa: E402
from tests.backends.pytorch.test_generation import SOURCES, batch, model_of, text, types  # noqa: E402

SEARCH = {"penalty_alpha": 0.6, "top_k": 4}


def test_the_best_candidate_is_likely_and_new() -> None:
    said, new = [1.0, 0.0], [0.0, 1.0]
    likely = torch.tensor([[0.6, 0.4], [0.6, 0.4], [0.9, 0.1]])
    states = torch.tensor([[said, new], [new, said], [said, new]])
    context = torch.tensor([[said]] * 3)
    assert most_worthwhile(likely, states, context, 0.5).flatten().tolist() == [1, 0, 1]
    assert most_worthwhile(likely, states, context, 0.2).flatten().tolist() == [1, 0, 0]
    assert most_worthwhile(likely, states, context, 0.0).flatten().tolist() == [0, 0, 0]


@pytest.mark.parametrize("seed", range(5))
def test_with_one_hot_states_the_likeliest_token_not_yet_said_is_written(seed: int) -> None:
    """Every other candidate is exactly like something said before, which weighs more than any probability."""
    (table,) = random_tables(seed)
    options = GenerationConfig(penalty_alpha=0.9, top_k=VOCABULARY + 5, max_length=8, decoder_start_token_id=START)
    written = contrastive_search(Task(options, [], torch.tensor([[START]]), 8), TableReader(table)).ids[0, 0].tolist()
    for place in range(1, 8):
        best = sorted(range(VOCABULARY), key=lambda token: -table[written[place - 1], token])
        assert written[place] == next(token for token in best if token not in written[:place])


@types
def test_neither_memory_nor_neighbours_nor_who_listens_change_what_is_written(model_type: str) -> None:
    model = model_of(model_type)
    together = model.generate(**batch(model), **SEARCH)
    assert not torch.equal(together, model.generate(**batch(model)))
    assert torch.equal(model.generate(**batch(model, longest=20), **SEARCH), together)
    assert torch.equal(model.generate(**batch(model), **SEARCH, low_memory=True), together)
    assert torch.equal(model.generate(**batch(model), **SEARCH, use_cache=False), together)
    whole = model.generate(**batch(model), **SEARCH, return_dict_in_generate=True)
    assert torch.equal(whole.sequences, together)
    pad = model.config.pad_token_id
    for place, source in enumerate(SOURCES):
        assert text(model.generate(torch.tensor([source]), **SEARCH)[0], pad) == text(together[place], pad)


def test_one_by_one_holds_no_more_rows_than_there_are_sources() -> None:
    model = model_of("bart")
    rows: list[int] = []
    model.get_decoder().layers[0].register_forward_pre_hook(lambda layer, inputs: rows.append(len(inputs[0])))
    model.generate(**batch(model), **SEARCH, low_memory=True, min_length=10)
    assert set(rows) == {3}
    rows.clear()
    model.generate(**batch(model), **SEARCH, min_length=10)
    assert set(rows) == {3, 12}


@types
@pytest.mark.parametrize("low_memory", [True, False])
def test_what_is_returned_of_each_step_is_of_the_tokens_that_were_taken(model_type: str, low_memory: bool) -> None:
    """As one pass over the whole output sees them."""
    model = model_of(model_type)
    asked = ("return_dict_in_generate", "output_scores", "output_logits", "output_attentions", "output_hidden_states")
    output = model.generate(**batch(model), **SEARCH, **dict.fromkeys(asked, True), low_memory=low_memory, min_length=9)
    ids = output.sequences
    steps = ids.shape[1] - 1
    seen = model(
        **batch(model),
        decoder_input_ids=ids[:, :-1],
        output_attentions=True,
        output_hidden_states=True,
        use_cache=False,
    )
    assert torch.allclose(torch.stack(output.logits, dim=1), seen.logits.float(), atol=1e-4)
    assert len(output.scores) == len(output.decoder_hidden_states) == len(output.cross_attentions) == steps
    for step in range(steps):
        for layer, whole in zip(output.decoder_hidden_states[step], seen.decoder_hidden_states, strict=True):
            assert torch.allclose(layer, whole[:, step, None], atol=1e-6)
        for layer, whole in zip(output.decoder_attentions[step], seen.decoder_attentions, strict=True):
            assert torch.allclose(layer, whole[:, :, step, None, : step + 1], atol=1e-6)
        for layer, whole in zip(output.cross_attentions[step], seen.cross_attentions, strict=True):
            assert torch.allclose(layer, whole[:, :, step, None], atol=1e-6)
    assert output.past_key_values.get_seq_length() == steps


@types
def test_padding_before_a_prompt_says_nothing(model_type: str) -> None:
    model = model_of(model_type, "causal_lm")
    inputs = batch(model, left=True)
    expected = model.generate(**inputs, **SEARCH, max_new_tokens=6)
    hidden = inputs["attention_mask"] == 0
    other = inputs | {"input_ids": inputs["input_ids"].masked_fill(hidden, 30)}
    longest = hidden.shape[1]
    assert torch.equal(model.generate(**other, **SEARCH, max_new_tokens=6)[:, longest:], expected[:, longest:])


def test_what_it_cannot_do_is_refused_before_it_begins() -> None:
    model = model_of("bart")
    ids = torch.tensor([SOURCES[0]])
    model.generate(ids, max_length=POSITIONS + 1)
    options = GenerationConfig(**model.generation_config.to_dict() | SEARCH | {"max_length": POSITIONS + 1})
    with pytest.raises(LengthError, match=rf"at most {POSITIONS} tokens long.*could become {POSITIONS + 1}"):
        PyTorchBackend(model).generate([SOURCES[0]], options)
    decoder = model_of("bart", "causal_lm")
    past = decoder(ids[:, :3], use_cache=True).past_key_values
    with pytest.raises(OptionError, match="Leave out `past_key_values`"):
        decoder.generate(ids, past_key_values=past, **SEARCH, max_new_tokens=2)


def reason_of(options: dict[str, Any]) -> str:
    with pytest.raises(OptionError) as raised:
        model_of("bart").generate(torch.tensor([SOURCES[0]]), **options)
    return str(raised.value)


def test_prompt_lookup_has_no_place_in_it() -> None:
    assert "must be None with `prompt_lookup_num_tokens`" in reason_of(SEARCH | {"prompt_lookup_num_tokens": 3})
