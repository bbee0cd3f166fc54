from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bartleby.backends.pytorch.auto import AutoModelForSeq2SeqLM
from bartleby.errors import CheckpointError, ConfigError, OptionError
from bartleby.tokenization.byte_level import BartTokenizer, BlenderbotTokenizer
from bartleby.training.lora import has_adapters
from bartleby.training.recipes.recipe import DataOptions, ModelOptions
from bartleby.training.recipes.start import starting_config, starting_model, starting_tokenizer
from tests.training.recipes.test_recipe import Counting, CountOptions
from tests.training.tiny import CHANGES

TEXTS = ("I like cats.", "I like dogs.")


@pytest.fixture
def recipe(corpora: Path) -> Counting:
    return Counting(CountOptions(), ModelOptions(change=CHANGES), DataOptions(corpora), seed=3)


@pytest.fixture
def saved(recipe: Counting, tmp_path: Path) -> Path:
    """A checkpoint to start from."""
    tokenizer = starting_tokenizer(recipe, TEXTS)
    starting_model(recipe, AutoModelForSeq2SeqLM, tokenizer).save_pretrained(tmp_path / "saved")
    tokenizer.save_pretrained(tmp_path / "saved")
    return tmp_path / "saved"


def from_checkpoint(recipe: Counting, saved: Path, **options: object) -> Counting:
    return replace(recipe, model=ModelOptions(model=str(saved), **options))  # type: ignore[arg-type]


def test_a_new_model_is_the_preset_s_with_changes_and_a_vocabulary_of_its_own(recipe: Counting) -> None:
    tokenizer = starting_tokenizer(recipe, TEXTS)
    model = starting_model(recipe, AutoModelForSeq2SeqLM, tokenizer, {"turn_layout": "newline"})
    assert isinstance(tokenizer, BlenderbotTokenizer)
    assert tokenizer.model_max_length == 128
    config = model.config
    assert (config.d_model, config.dropout, config.vocab_size) == (16, 0.1, len(tokenizer))
    assert config.turn_layout == "newline"
    assert model.generation_config.num_beams == 10
    assert model.generation_config.decoder_start_token_id == config.decoder_start_token_id


def test_another_preset_has_another_tokenizer(recipe: Counting) -> None:
    other = replace(recipe, model=replace(recipe.model, preset="bart-base"))
    assert isinstance(starting_tokenizer(other, TEXTS), BartTokenizer)
    with pytest.raises(OptionError, match=r"`preset` must be one of .*but is 'bard'"):
        starting_config(replace(recipe, model=ModelOptions(preset="bard")))


def test_a_new_model_is_drawn_from_the_seed(recipe: Counting) -> None:
    tokenizer = starting_tokenizer(recipe, TEXTS)

    def drawn(seed: int) -> torch.Tensor:
        return starting_model(replace(recipe, seed=seed), AutoModelForSeq2SeqLM, tokenizer).model.shared.weight

    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))


def test_a_checkpoint_is_taken_further_with_its_own_tokenizer(recipe: Counting, saved: Path) -> None:
    further = from_checkpoint(recipe, saved, dropout=0.3, layerdrop=0.2)
    tokenizer = starting_tokenizer(further, ())
    model = starting_model(further, AutoModelForSeq2SeqLM, tokenizer)
    before = AutoModelForSeq2SeqLM.from_pretrained(saved)
    assert tokenizer.get_vocab() == starting_tokenizer(recipe, TEXTS).get_vocab()
    assert all(map(torch.equal, model.parameters(), before.parameters()))
    assert (model.config.dropout, model.config.decoder_layerdrop) == (0.3, 0.2)
    assert model.generation_config.num_beams == 10


def test_a_tokenizer_can_be_taken_from_elsewhere(recipe: Counting, saved: Path) -> None:
    other = replace(recipe, model=replace(recipe.model, tokenizer=str(saved)))
    assert starting_tokenizer(other, ()).get_vocab() == starting_tokenizer(recipe, TEXTS).get_vocab()


def test_positions_are_stretched_for_model_and_tokenizer(recipe: Counting, saved: Path) -> None:
    longer = from_checkpoint(recipe, saved, positions=200)
    tokenizer = starting_tokenizer(longer, ())
    assert tokenizer.model_max_length == 200
    assert starting_model(longer, AutoModelForSeq2SeqLM, tokenizer).config.max_position_embeddings == 200


def test_adapters_learn_alone_and_frozen_parts_do_not(recipe: Counting, saved: Path) -> None:
    adapted = from_checkpoint(recipe, saved, lora=True, lora_rank=2)
    model = starting_model(adapted, AutoModelForSeq2SeqLM, starting_tokenizer(adapted, ()))
    assert has_adapters(model)
    assert all("lora_" in name for name, parameter in model.named_parameters() if parameter.requires_grad)
    frozen = from_checkpoint(recipe, saved, freeze=("encoder",))
    model = starting_model(frozen, AutoModelForSeq2SeqLM, starting_tokenizer(frozen, ()))
    assert not any(parameter.requires_grad for parameter in model.model.encoder.layers.parameters())
    assert all(parameter.requires_grad for parameter in model.model.decoder.layers.parameters())


def test_the_best_checkpoint_of_a_run_is_started_from(recipe: Counting, finished_run: Path, tmp_path: Path) -> None:
    further = from_checkpoint(recipe, finished_run)
    assert starting_config(further).d_model == 16
    (tmp_path / "recipe.json").write_text("{}")
    with pytest.raises(CheckpointError, match="must be a run with a checkpoint, but has none yet"):
        starting_config(from_checkpoint(recipe, tmp_path))


def test_changes_are_read_as_json_and_checked(recipe: Counting) -> None:
    assert starting_config(recipe).dropout == 0.1
    with pytest.raises(OptionError, match=r"(?s)2 faults.*'d_modle=16'.*'dropout'"):
        starting_config(replace(recipe, model=ModelOptions(change=("d_modle=16", "dropout"))))
    with pytest.raises(ConfigError, match="dropout"):
        starting_config(replace(recipe, model=ModelOptions(change=("dropout=2",))))
