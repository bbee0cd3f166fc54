import json
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from bartleby.backends.pytorch.heads import ConditionalGeneration
from bartleby.errors import DataError, OptionError
from bartleby.tokenization.byte_level import BartTokenizer
from bartleby.training.noise import NOISES
from bartleby.training.recipes.pretrain import PretrainOptions, PretrainRecipe, with_summary
from bartleby.training.recipes.recipe import DataOptions, ModelOptions, Setup
from bartleby.training.store import Examples
from tests.training.tiny import CHANGES, TOPICS, quiet

SPLITS = ("train", "valid")
TINY = (*(change for change in CHANGES if not change.startswith("vocab_size")), "max_position_embeddings=48")


def write(path: Path, records: list[object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Books, papers with titles, and a plain text. Do not write into it."""
    folder = tmp_path_factory.mktemp("texts")
    for split in SPLITS:
        books = [{"paragraphs": [f"All about {topic}.", f"I like {topic}. You like {topic}!"]} for topic in TOPICS]
        papers = [{"text": f"We study {topic} here. They are good.", "summary": f"On {topic}"} for topic in TOPICS]
        write(folder / "books" / f"books.{split}.jsonl", books)
        write(folder / "papers" / f"papers.{split}.jsonl", papers)
    (folder / "plain.txt").write_text("A first line.\nIts second.\n\nAnother text.\n", encoding="utf-8")
    return folder


def recipe_of(
    texts: Path, *, data: str = "books", model: ModelOptions | None = None, **options: object
) -> PretrainRecipe:
    return PretrainRecipe(
        PretrainOptions(**{"block_tokens": 40, **options}),  # type: ignore[arg-type]
        model or ModelOptions(change=TINY, vocab_size=300),
        DataOptions(texts / data, batch_tokens=200),
        seed=3,
    )


@pytest.fixture(scope="module")
def prepared(texts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    recipe_of(texts).prepare(folder, quiet)
    return folder


@pytest.fixture
def setup(texts: Path, prepared: Path) -> Setup:
    return recipe_of(texts).setup(prepared)


def learnt(setup: Setup, examples: Examples) -> list[str]:
    return [setup.tokenizer.decode(row) for row in examples.rows("text")]


def test_texts_become_blocks_once_and_all_is_told(texts: Path, tmp_path: Path) -> None:
    said: list[str] = []
    figures = recipe_of(texts).prepare(tmp_path, said.append)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tokenizer", "train", "valid"]
    assert figures["records"] == {"books": 8}
    assert figures["examples"] == figures["blocks"] == figures["documents"] == 8
    assert figures["validation"]["blocks"] == 8
    assert said[0] == "Learning a vocabulary from books …"
    assert any(line.startswith("8 documents of 16 paragraphs gave 8 blocks") for line in said)
    setup = recipe_of(texts).setup(tmp_path)
    blocks = learnt(setup, Examples.open(tmp_path / "train"))
    assert blocks[0] == "<s>All about cats.\nI like cats. You like cats!</s>"
    assert sorted(learnt(setup, Examples.open(tmp_path / "valid"))) == sorted(blocks)


def test_the_model_is_a_small_bart_with_the_learnt_vocabulary(setup: Setup) -> None:
    assert isinstance(setup.model, ConditionalGeneration)
    assert isinstance(setup.tokenizer, BartTokenizer)
    assert setup.tokenizer.mask_token_id == len(setup.tokenizer) - 1
    assert setup.tokenizer.model_max_length == setup.model.config.max_position_embeddings == 48
    assert setup.model.config.model_type == "bart"
    assert setup.model.config.vocab_size == len(setup.tokenizer)
    assert setup.model.generation_config.num_beams == 4


def test_batches_hold_spoilt_texts_and_the_texts(setup: Setup) -> None:
    batch = next(setup.batches.from_number(0))
    assert setup.tokenizer.mask_token_id in batch.arrays["input_ids"]
    assert setup.tokenizer.mask_token_id not in batch.arrays["labels"]
    assert set(batch.arrays) == {"input_ids", "attention_mask", "decoder_input_ids", "labels"}


def test_learning_to_undo_the_noise_lowers_the_figures(setup: Setup) -> None:
    before = setup.measure(None)
    optimizer = torch.optim.AdamW(setup.model.parameters(), lr=1e-2)
    losses = []
    for batch in islice(setup.batches.from_number(0), 60):
        [loss] = setup.objective(batch, batch).values()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    after = setup.measure(None)
    assert sum(losses[-5:]) < 0.6 * sum(losses[:5])
    assert after["perplexity"] < 0.3 * before["perplexity"]
    assert after["examples"] == 8


def test_a_run_taken_up_sees_the_noise_it_would_have_seen(texts: Path, prepared: Path) -> None:
    unbroken = islice(recipe_of(texts).setup(prepared).batches.from_number(0), 9)
    taken_up = recipe_of(texts).setup(prepared).batches.from_number(4)
    for batch, again in zip(list(unbroken)[4:], taken_up, strict=False):
        assert all(np.array_equal(array, again.arrays[name]) for name, array in batch.arrays.items())


def test_measuring_draws_nothing_and_is_always_of_the_same_noise(setup: Setup) -> None:
    setup.model.train()
    state = torch.get_rng_state()
    figures = setup.measure(None)
    assert setup.model.training
    assert torch.equal(torch.get_rng_state(), state)
    assert setup.measure(None) == figures
    few = setup.measure(3)
    assert few["examples"] == 3
    assert few["tokens"] < figures["tokens"]
    assert few == setup.measure(3)


def test_several_corpora_are_learnt_from_and_others_only_by_the_tokenizer(texts: Path, tmp_path: Path) -> None:
    recipe = recipe_of(texts, more_data=(texts / "papers",), vocabulary_data=(texts / "plain.txt",))
    said: list[str] = []
    figures = recipe.prepare(tmp_path, said.append)
    assert figures["records"] == {"books": 8, "papers": 8}
    assert said[0] == "Learning a vocabulary from books, papers, plain …"
    document = recipe.document()
    assert sorted(document["corpora"]) == ["books", "papers", "plain"]
    assert str(texts) not in str(document)
    blocks = learnt(recipe.setup(tmp_path), Examples.open(tmp_path / "train"))
    assert "<s>We study cats here. They are good.</s>" in blocks
    assert not any("first line" in block for block in blocks)


def test_summaries_stand_above_their_texts_when_asked(texts: Path, tmp_path: Path) -> None:
    recipe = recipe_of(texts, data="papers", with_summaries=True)
    recipe.prepare(tmp_path, quiet)
    setup = recipe.setup(tmp_path)
    for split in SPLITS:
        blocks = learnt(setup, Examples.open(tmp_path / split))
        assert "<s>On cats\nWe study cats here. They are good.</s>" in blocks
    assert with_summary({"text": "A.", "summary": " "}).paragraphs == ("A.",)


def test_documents_of_several_lines_are_plain_text_files_too(texts: Path, tmp_path: Path) -> None:
    (held_out := tmp_path / "other.txt").write_text("Something else.\n", encoding="utf-8")
    recipe = recipe_of(texts, data="plain.txt")
    recipe = replace(recipe, data=replace(recipe.data, validation=str(held_out)))
    recipe.prepare(tmp_path, quiet)
    blocks = learnt(recipe.setup(tmp_path), Examples.open(tmp_path / "train"))
    assert blocks == ["<s>A first line.\nIts second.</s>", "<s>Another text.</s>"]


def test_limits_count_records_and_a_sample_is_measured_on(texts: Path, tmp_path: Path) -> None:
    recipe = recipe_of(texts)
    recipe = replace(recipe, data=replace(recipe.data, limit=3, validation_examples=2))
    figures = recipe.prepare(tmp_path, quiet)
    assert figures["documents"] == 3
    assert len(Examples.open(tmp_path / "valid")) == 2


def test_a_checkpoint_is_taken_further_with_its_own_tokenizer(setup: Setup, texts: Path, tmp_path: Path) -> None:
    setup.model.save_pretrained(tmp_path / "start")
    setup.tokenizer.save_pretrained(tmp_path / "start")
    further = recipe_of(texts, data="papers", model=ModelOptions(model=str(tmp_path / "start")))
    (tmp_path / "run").mkdir()
    further.prepare(tmp_path / "run", quiet)
    again = further.setup(tmp_path / "run")
    assert again.tokenizer.get_vocab() == setup.tokenizer.get_vocab()
    for name, weight in setup.model.state_dict().items():
        assert torch.equal(again.model.state_dict()[name], weight)


def test_bad_records_stop_or_are_told(texts: Path, tmp_path: Path) -> None:
    write(tmp_path / "data" / "bad.train.jsonl", [{"paragraphs": []}, {"paragraphs": ["Good."]}])
    write(tmp_path / "data" / "bad.valid.jsonl", [{"paragraphs": ["Good."]}])
    recipe = replace(recipe_of(texts), data=DataOptions(tmp_path / "data"))
    with pytest.raises(DataError, match=r"bad\.train\.jsonl, line 1"):
        recipe.prepare(tmp_path / "stop", quiet)
    said: list[str] = []
    skipping = replace(recipe, data=DataOptions(tmp_path / "data", on_bad_record="skip"))
    figures = skipping.prepare(tmp_path / "skip", said.append)
    assert (figures["skipped"], figures["examples"]) == (1, 1)
    assert sum(line.startswith("Skipped ") for line in said) == 1


def test_the_noise_is_chosen_by_name_and_changed_by_field() -> None:
    options = PretrainOptions(noise="text-infilling", noise_change=("poisson_lambda=2", "unit=word"))
    assert options.chosen_noise() == replace(NOISES["text-infilling"], poisson_lambda=2, unit="word")
    assert PretrainOptions().chosen_noise() == NOISES["bart-large"]


def test_wrong_options_are_named_together(texts: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"(?s)2 faults.*'maks=1'.*'rotate'"):
        PretrainOptions(noise_change=("maks=1", "rotate"))
    with pytest.raises(OptionError, match=r"(?s)one of mask, .*'maks=1'.*`mask` must be between 0 and 1, but is 3"):
        PretrainOptions(noise_change=("maks=1", "mask=3"))
    with pytest.raises(OptionError, match="`mask` must be between 0 and 1, but is 3"):
        PretrainOptions(noise_change=("mask=3",))
    with pytest.raises(OptionError, match="`block_tokens` must be at most 48, the model's positions, but is 64"):
        recipe_of(texts, block_tokens=64).prepare(tmp_path, quiet)
