import copy
from pathlib import Path
from typing import Any

import pytest

from bartleby.errors import ConfigError, LengthError, OptionError

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch import models  # noqa: E402  after the skip
from bartleby.backends.pytorch.resizing import resized_positions, rows_asked  # noqa: E402
from tests.backends.pytorch.saved_models import ALL, equal, small  # noqa: E402

each_class = pytest.mark.parametrize("model_class", ALL, ids=lambda model: model.__name__)
IDS = torch.tensor([[5, 6, 7, 2], [8, 9, 2, 1]])


def hidden_of(model: Any, ids: torch.Tensor = IDS) -> torch.Tensor:
    with torch.no_grad():
        if model.table_head in ("none", "conditional_generation"):
            return model(ids, decoder_input_ids=ids)[0]
        return model(ids)[0]


def tables_of(model: Any) -> list[torch.Tensor]:
    names = ("shared.weight", "embed_tokens.weight", "lm_head.weight")
    return [tensor for name, tensor in model.state_dict().items() if name.endswith(names)]


@each_class
@pytest.mark.parametrize("tied", [True, False])
def test_tokens_are_added_and_removed_everywhere(tmp_path: Path, model_class: Any, tied: bool) -> None:
    model = small(model_class, tie_word_embeddings=tied)
    before, untouched = tables_of(copy.deepcopy(model)), copy.deepcopy(model)
    parameters = len(list(model.parameters()))
    table = model.resize_token_embeddings(60)
    assert table is model.get_input_embeddings()
    assert (table.weight.shape[0], table.num_embeddings, model.config.vocab_size) == (60, 60, 60)
    assert len(list(model.parameters())) == parameters  # ties are ties, and no more than before
    for old, new in zip(before, tables_of(model), strict=True):
        assert torch.equal(new[:50], old)
        assert torch.allclose(new[50:], old.mean(dim=0).expand(10, -1))
    if model.table_head not in ("conditional_generation", "causal_lm"):
        assert torch.equal(hidden_of(model), hidden_of(untouched))
    else:
        assert hidden_of(model).shape[-1] == model.lm_head.out_features == 60
        assert torch.allclose(hidden_of(model)[..., :50], hidden_of(untouched), atol=1e-6)
    model.save_pretrained(tmp_path)
    assert equal(model_class.from_pretrained(tmp_path), model)
    model.resize_token_embeddings(50)
    assert equal(model, untouched)


def test_without_numbers_nothing_changes() -> None:
    model = small(models.BartModel)
    weight = model.shared.weight
    assert model.resize_token_embeddings() is model.shared
    assert model.shared.weight is weight


def test_the_bias_of_the_logits_grows_by_zeros_and_is_cut() -> None:
    model = small(models.BartForConditionalGeneration)
    model.final_logits_bias.fill_(3)
    model.resize_token_embeddings(52)
    assert model.final_logits_bias[0].tolist() == [3.0] * 50 + [0.0] * 2
    model.resize_token_embeddings(45)
    assert model.final_logits_bias.tolist() == [[3.0] * 45]
    assert "final_logits_bias" in model.state_dict()


def test_rows_are_rounded_up_to_a_multiple() -> None:
    model = small(models.BartForConditionalGeneration)
    assert model.resize_token_embeddings(51, pad_to_multiple_of=64).weight.shape[0] == 64
    assert model.resize_token_embeddings(pad_to_multiple_of=10).weight.shape[0] == 70
    assert model.lm_head.weight is model.model.shared.weight
    assert rows_asked(50, None, 1) == rows_asked(50, 50, 50) == 50
    with pytest.raises(OptionError, match="`pad_to_multiple_of` must be a whole number"):
        model.resize_token_embeddings(51, pad_to_multiple_of=1.3)
    with pytest.raises(OptionError, match="`new_num_tokens` must be a whole number of at least 1, but is 0"):
        model.resize_token_embeddings(0)


def test_new_rows_can_be_drawn() -> None:
    model = small(models.BartForConditionalGeneration, init_std=0.5, d_model=32)
    new = model.resize_token_embeddings(250, mean_resizing=False).weight.detach()[50:]
    assert float(new.std()) == pytest.approx(0.5, rel=0.1)


def test_two_models_resized_alike_are_equal() -> None:
    one = small(models.BlenderbotForConditionalGeneration)
    other = copy.deepcopy(one)
    one.resize_token_embeddings(70)
    other.resize_token_embeddings(70)
    assert equal(one, other)


def test_a_token_that_the_config_names_keeps_its_row() -> None:
    model = small(models.BartForConditionalGeneration)
    with pytest.raises(ConfigError, match="A vocabulary of 2 tokens") as refusal:
        model.resize_token_embeddings(2)
    assert "`eos_token_id` must be from 0 to 1" in str(refusal.value)
    assert model.config.vocab_size == model.lm_head.out_features == 50


def test_type_and_training_of_a_table_stay() -> None:
    model = small(models.BartForConditionalGeneration).to(torch.bfloat16)
    model.model.shared.weight.requires_grad_(False)
    weight = model.resize_token_embeddings(60).weight
    assert (weight.dtype, weight.requires_grad) == (torch.bfloat16, False)


def test_a_resized_model_learns() -> None:
    model = small(models.BartForConditionalGeneration)
    model(IDS, labels=IDS).loss.backward()
    model.resize_token_embeddings(60)
    model(IDS + 50, labels=IDS + 50).loss.backward()
    assert model.model.shared.weight.grad.shape == (60, model.config.d_model)
    assert model.model.shared.weight.grad[55].any()


OLD = torch.arange(12, dtype=torch.float32).view(6, 2)


def test_positions_copied_are_the_old_table_end_on_end() -> None:
    new = resized_positions(OLD, 10, 2, "copy")
    assert torch.equal(new, torch.cat([OLD, OLD[2:], OLD[2:4]]))


def test_positions_of_zeros() -> None:
    new = resized_positions(OLD, 6, 2, "zero")
    assert torch.equal(new[:6], OLD)
    assert not new[6:].any()


def test_positions_stretched_keep_the_first_and_the_last() -> None:
    new = resized_positions(OLD, 7, 2, "interpolate")
    assert torch.equal(new[:3], OLD[:3])
    assert torch.equal(new[-1], OLD[-1])
    assert new[2:, 0].tolist() == [4, 5, 6, 7, 8, 9, 10]  # 4 6 8 10 at twice the length


@pytest.mark.parametrize("method", ["interpolate", "copy", "zero"])
def test_fewer_positions_are_the_first(method: Any) -> None:
    assert torch.equal(resized_positions(OLD, 3, 2, method), OLD[:5])
    assert torch.equal(resized_positions(OLD, 4, 2, method), OLD)


@each_class
@pytest.mark.parametrize("method", ["interpolate", "copy", "zero"])
def test_a_model_reads_longer_texts_after_it(tmp_path: Path, model_class: Any, method: Any) -> None:
    model = small(model_class)
    long = torch.randint(4, 50, (1, 40))
    long[0, -1] = 2
    with pytest.raises(LengthError, match="has 40 tokens, but this model has 24 positions"):
        hidden_of(model, long)
    short = hidden_of(model)
    model.resize_position_embeddings(40, method)
    assert model.config.max_position_embeddings == 40
    assert bool(torch.isfinite(hidden_of(model, long)).all())
    if method != "interpolate":
        assert torch.equal(hidden_of(model), short)
    model.save_pretrained(tmp_path)
    loaded = model_class.from_pretrained(tmp_path)
    assert equal(loaded, model)
    assert torch.equal(hidden_of(loaded, long), hidden_of(model, long))
    tables = model.get_position_embeddings()
    both = model.table_head not in ("encoder", "decoder", "causal_lm")
    assert (len(tables) == 2) if both else (tables.num_embeddings == len(tables.weight))


def test_generation_follows_the_new_length() -> None:
    model = small(models.BlenderbotForConditionalGeneration)
    model.resize_position_embeddings(48, "copy")
    assert model.generate(torch.full((1, 40), 7), max_new_tokens=30, min_new_tokens=30).shape[1] == 31


def test_methods_and_numbers_that_are_none_are_refused() -> None:
    model = small(models.BartModel)
    with pytest.raises(OptionError, match="`method` must be interpolate, copy or zero, but is 'cubic'"):
        model.resize_position_embeddings(30, "cubic")
    with pytest.raises(OptionError, match="number of positions must be a whole number"):
        model.resize_position_embeddings(0)
