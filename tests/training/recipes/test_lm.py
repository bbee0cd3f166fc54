import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bartleby.errors import OptionError
from bartleby.tokenization.byte_level import BartTokenizer
from bartleby.training.objectives.likelihood import TargetLoss, target_log_probs
from bartleby.training.recipes.lm import LanguageModelOptions, LanguageModelRecipe, TextBlocks
from bartleby.training.recipes.recipe import Setup
from bartleby.training.records import Document
from tests.training.recipes.overfitting import EXAMPLES, learnt_by_heart, prepared, tiny_recipe

WORDS = ("cat", "dog", "sun", "sea", "red", "sky", "ink", "pen")
TEXTS = [f"{first} {second} at home" + " at home" * (first == "pen") for first in WORDS for second in WORDS]
TOKENIZER = BartTokenizer().train_new_from_iterator(TEXTS, 330)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("texts")
    for name in ("train.txt", "valid.txt"):
        (folder / name).write_text("\n\n".join(TEXTS), encoding="utf-8")
    return folder


@pytest.fixture(scope="module", params=["bartleby-summary-mini", "bartleby-chat-mini"])
def setup(corpus: Path, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Setup:
    recipe = tiny_recipe(LanguageModelRecipe, corpus, model={"preset": request.param}, mix_documents=False)
    made, figures, told = prepared(recipe, tmp_path_factory.mktemp("run"))
    assert figures["examples"] == figures["documents"] == EXAMPLES
    assert told[-1].startswith("64 documents gave 64 blocks, ")
    return made


def test_sixty_four_texts_are_learnt_by_heart(setup: Setup) -> None:
    # What cannot be known is which of 64 texts it is: two words of eight, six bits a text.
    texts = setup.measure.collation.examples  # type: ignore[attr-defined]
    unknown = EXAMPLES * math.log(EXAMPLES) / texts.lengths("text").sum()
    learnt_by_heart(setup, 150, learning_rate=5e-3)
    assert math.log(setup.measure(None)["perplexity"]) == pytest.approx(unknown, abs=0.03)


def test_the_loss_is_the_one_the_model_itself_computes(setup: Setup) -> None:
    setup.model.eval()
    batch = next(setup.batches.from_number(0))
    own = setup.model(**{name: torch.from_numpy(array) for name, array in batch.arrays.items()}).loss
    loss = setup.objective(batch, batch)["likelihood"]
    assert isinstance(setup.objective, TargetLoss)
    assert abs(loss.item() - own.item()) < 1e-6
    for parts in (2, 3):
        shares = [setup.objective(batch.part(index, parts), batch)["likelihood"].item() for index in range(parts)]
        assert sum(shares) == pytest.approx(loss.item(), rel=1e-6)


def test_each_token_is_foreseen_from_those_before_it(setup: Setup) -> None:
    batch = next(setup.batches.from_number(0))
    inputs, labels = batch.arrays["input_ids"], batch.arrays["labels"]
    counted = labels[:, 1:] != -100
    np.testing.assert_array_equal(inputs[:, 1:][counted], labels[:, :-1][counted])
    assert set(inputs[:, 0]) == {setup.model.config.decoder_start_token_id}
    assert batch.tokens == int((labels != -100).sum())


def test_padding_changes_no_probability(setup: Setup) -> None:
    setup.model.eval()
    collation = setup.measure.collation  # type: ignore[attr-defined]
    lengths = collation.lengths()[:, 0]
    rows = np.array([lengths.argmin(), lengths.argmax()])
    assert lengths[rows[0]] < lengths[rows[1]]
    together, alone = (
        target_log_probs(setup.model, collation(chosen, np.random.default_rng(0))) for chosen in (rows, rows[:1])
    )
    np.testing.assert_allclose(together[: len(alone)], alone, rtol=1e-4)


@given(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=6), st.integers(2, 9), st.booleans())
def test_no_token_is_lost_and_every_document_ends(texts: list[str], block_tokens: int, mix: bool) -> None:
    maker = TextBlocks(TOKENIZER, LanguageModelOptions(block_tokens=block_tokens, mix_documents=mix))
    blocks = [list(row["text"]) for row in maker.rows(Document((text,)) for text in texts)]
    end = TOKENIZER.eos_token_id
    wanted = [[*TOKENIZER(text, add_special_tokens=False)["input_ids"], end] for text in texts]
    assert [token for block in blocks for token in block] == [token for ids in wanted for token in ids]
    assert maker.report.tokens == sum(map(len, wanted))
    full = blocks[:-1] if mix else [block for block in blocks if block[-1] != end]
    assert all(len(block) == block_tokens for block in full)
    assert max(map(len, blocks)) <= block_tokens


def test_paragraphs_are_lines_and_special_tokens_are_text() -> None:
    maker = TextBlocks(TOKENIZER, LanguageModelOptions(block_tokens=100))
    [row] = maker.rows([Document(("cat </s>", "dog"))])
    assert TOKENIZER.decode(row["text"]) == "cat </s>\ndog</s>"
    assert list(row["text"]).count(TOKENIZER.eos_token_id) == 1


def test_measuring_changes_nothing(setup: Setup) -> None:
    setup.model.train()
    assert setup.measure(5) == setup.measure(5)
    assert setup.model.training


def test_a_block_fits_the_positions(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="`block_tokens` must be at most 128"):
        tiny_recipe(LanguageModelRecipe, corpus, block_tokens=129).prepare(tmp_path, print)
