import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bartleby.errors import DataError, OptionError
from bartleby.tasks.summarize import Summarizer
from bartleby.tokenization.base import PreTrainedTokenizer
from bartleby.tokenization.blenderbot_small import BlenderbotSmallTokenizer
from bartleby.tokenization.byte_level import BartTokenizer
from bartleby.training.recipes.pairs import PairExamples, PairOptions, SummarizeRecipe, TranslateRecipe
from bartleby.training.records import Pair
from tests.training.recipes.overfitting import EXAMPLES, learnt_by_heart, measures, prepared, tiny_recipe

WORDS = ("cat", "dog", "sun", "sea", "red", "sky", "ink", "pen")
TEXTS = [f"the {first} saw a {second} at home" for first in WORDS for second in WORDS]
TITLES = [f"{first} and {second}" for first in WORDS for second in WORDS]


def write(path: Path, sources: list[str], targets: list[str], names: tuple[str, str] = ("text", "summary")) -> Path:
    records = [dict(zip(names, pair, strict=True)) for pair in zip(sources, targets, strict=True)]
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def summaries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("summaries")
    for split in ("train", "valid"):
        write(folder / f"news.{split}.jsonl", TEXTS, TITLES)
    return folder


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizer:
    return BartTokenizer().train_new_from_iterator([*TEXTS, *TITLES], 350)


def rows_of(tokenizer: PreTrainedTokenizer, options: PairOptions, *pairs: tuple[str, Pair]) -> list[dict[str, Any]]:
    return list(PairExamples(tokenizer, options).rows(pairs))


def test_sixty_four_summaries_are_learnt_by_heart(summaries: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(SummarizeRecipe, summaries, written_examples=8)
    setup, figures, told = prepared(recipe, tmp_path)
    assert (figures["records"], figures["examples"]) == ({"news": EXAMPLES}, EXAMPLES)
    assert told[-1].startswith("64 pairs gave 64 examples; 0 sources lost their end. Left out: 0 sources and 0 targets")
    assert learnt_by_heart(setup, 150) < 0.02
    found = setup.measure(None)
    assert found["perplexity"] < 1.05
    assert found["rouge1"] == found["rougeLsum"] == 1
    assert (found["examples"], found["written"]) == (EXAMPLES, 8)
    assert measures(recipe, found)


def test_sixty_four_translations_are_learnt_by_heart(tmp_path: Path) -> None:
    for name in ("train.csv", "valid.csv"):
        rows = [f"{text},{title} go home" for text, title in zip(TEXTS, TITLES, strict=True)]
        (tmp_path / name).write_text("\n".join(["source,target", *rows]), encoding="utf-8")
    setup, _, _ = prepared(tiny_recipe(TranslateRecipe, tmp_path, written_examples=8), tmp_path / "run")
    assert learnt_by_heart(setup, 150) < 0.02
    assert setup.measure(8)["bleu"] == pytest.approx(100)


def test_measuring_changes_nothing(summaries: Path, tmp_path: Path) -> None:
    import torch

    setup, _, _ = prepared(tiny_recipe(SummarizeRecipe, summaries, written_examples=2), tmp_path)
    setup.model.train()
    state = torch.get_rng_state()
    assert setup.measure(4) == setup.measure(4)
    assert setup.model.training
    assert torch.equal(torch.get_rng_state(), state)


def test_tasks_in_one_model_are_told_apart_by_prefixes(tmp_path: Path) -> None:
    for split in ("train", "valid"):
        write(tmp_path / f"papers.{split}.jsonl", TEXTS[:6], TITLES[:6])
        write(tmp_path / f"tldr.{split}.jsonl", TEXTS[6:8], TITLES[6:8])
    options = {"prefixes": ("papers=title: ", "tl*=summary: "), "repeats": ("tldr=3",), "written_examples": 0}
    setup, figures, told = prepared(tiny_recipe(SummarizeRecipe, tmp_path, **options), tmp_path / "run")
    assert (figures["examples"], figures["repeated"]) == (8, 12)
    assert "8 examples (12 an epoch, with those repeated)" in told[-1]
    assert sum(len(rows) for rows in setup.batches.plan(0)) == 12
    sources = [
        setup.tokenizer.decode(ids, skip_special_tokens=True)
        for ids in setup.measure.examples.rows("source")  # type: ignore[attr-defined]
    ]
    assert sorted(source.split(": ")[0] for source in sources) == ["summary"] * 2 + ["title"] * 6
    setup.model.save_pretrained(tmp_path / "saved")
    setup.tokenizer.save_pretrained(tmp_path / "saved")
    summarizer = Summarizer.load(tmp_path / "saved", backend="pytorch")
    assert summarizer.prefixes == {"title": "title: ", "summary": "summary: "}
    assert summarizer.source(TEXTS[0], "title").ids == tuple(setup.tokenizer(f"title: {TEXTS[0]}")["input_ids"])


def test_long_sources_lose_their_end_or_are_left_out(tokenizer: PreTrainedTokenizer) -> None:
    pairs = [("news", Pair("the cat " * 20, "cat")), ("news", Pair("the dog", "dog"))]
    maker = PairExamples(tokenizer, PairOptions(source_tokens=8))
    cut, whole = (row["source"] for row in maker.rows(pairs))
    assert len(cut) == 8
    assert (cut[0], cut[-1]) == (tokenizer.bos_token_id, tokenizer.eos_token_id)
    assert tokenizer.decode(cut[1:-1]).startswith("the cat the cat")
    assert tokenizer.decode(whole, skip_special_tokens=True) == "the dog"
    assert (maker.report.examples, maker.report.cut_sources) == (2, 1)
    maker = PairExamples(tokenizer, PairOptions(source_tokens=8, long_sources="out"))
    assert len(list(maker.rows(pairs))) == 1
    assert (maker.report.long_sources, maker.report.cut_sources) == (1, 0)


def test_long_targets_are_left_out_and_counted(tokenizer: PreTrainedTokenizer) -> None:
    maker = PairExamples(tokenizer, PairOptions(target_tokens=6))
    rows = maker.rows([("a", Pair("cat", "the dog " * 9)), ("a", Pair("cat", "dog"))])
    assert [tokenizer.decode(row["target"], skip_special_tokens=True) for row in rows] == ["dog"]
    assert "1 targets that are too long" in maker.report.told()


def test_a_target_ends_whatever_its_tokenizer_adds() -> None:
    small = BlenderbotSmallTokenizer().train_new_from_iterator(TEXTS, 120)
    [row] = rows_of(small, PairOptions(source_tokens=20), ("a", Pair("the cat", "the dog")))
    assert row["target"] == [*small("the dog")["input_ids"], small.eos_token_id]


def test_what_looks_like_a_special_token_in_a_text_is_text(tokenizer: PreTrainedTokenizer) -> None:
    [row] = rows_of(tokenizer, PairOptions(), ("a", Pair("cat </s> <mask>", "dog </s> sun")))
    assert row["source"].count(tokenizer.eos_token_id) == row["target"].count(tokenizer.eos_token_id) == 1
    assert tokenizer.mask_token_id not in row["source"]
    assert tokenizer.decode(row["target"][1:-1]) == "dog </s> sun"


def test_fields_and_languages_go_by_the_names_that_are_said(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.jsonl", ["teh cat"], ["the cat"], ("before", "after"))
    other = write(tmp_path / "other.jsonl", ["teh dog"], ["the dog"], ("before", "after"))
    options = {"source_field": "before", "target_field": "after", "validation": str(other), "written_examples": 0}
    setup, _, _ = prepared(tiny_recipe(SummarizeRecipe, path, **options), tmp_path / "run")
    assert len(setup.batches) == 1
    recipe = tiny_recipe(TranslateRecipe, path, source_language="ro", target_language="en")
    assert recipe.shape({"translation": {"en": "yes", "ro": "da"}}) == Pair("da", "yes")  # type: ignore[attr-defined]


def test_a_prefix_that_validation_goes_without_is_told(tmp_path: Path) -> None:
    mine, other = write(tmp_path / "mine.jsonl", TEXTS, TITLES), write(tmp_path / "other.jsonl", TEXTS, TITLES)
    options = {"validation": str(other), "written_examples": 0}
    _, _, told = prepared(tiny_recipe(SummarizeRecipe, mine, prefixes=("mine=title: ",), **options), tmp_path / "a")
    assert told[-1] == "No prefix stands before what is measured on of other: `prefixes` does not name them."
    _, _, told = prepared(tiny_recipe(SummarizeRecipe, mine, prefixes=("*=title: ",), **options), tmp_path / "b")
    assert "No prefix" not in told[-1]


def test_options_that_cannot_be_are_named_together(summaries: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"(?s)`prefixes` must be CORPUS=….*'title: '.*`repeats` must be CORPUS=N"):
        PairOptions(prefixes=("title: ",), repeats=("news=0",))
    with pytest.raises(OptionError, match=r"(?s)`prefixes` must name one of the corpora news, but 'papers'.*`repeats`"):
        tiny_recipe(SummarizeRecipe, summaries, prefixes=("papers=x",), repeats=("tldr=2",)).prepare(tmp_path, print)
    with pytest.raises(OptionError, match=r"(?s)`source_tokens` must be at most 128.*`target_tokens` must"):
        tiny_recipe(SummarizeRecipe, summaries, source_tokens=129, target_tokens=130).prepare(tmp_path, print)


def test_a_checkpoint_goes_on_with_its_own_tokenizer_and_a_limit(summaries: Path, tmp_path: Path) -> None:
    setup, _, _ = prepared(tiny_recipe(SummarizeRecipe, summaries, written_examples=0), tmp_path / "first")
    setup.model.save_pretrained(tmp_path / "saved")
    setup.tokenizer.save_pretrained(tmp_path / "saved")
    recipe = tiny_recipe(
        SummarizeRecipe,
        summaries,
        model={"model": str(tmp_path / "saved"), "change": (), "vocab_size": None},
        limit=10,
        written_examples=0,
    )
    further, figures, _ = prepared(recipe, tmp_path / "second")
    assert figures["records"] == {"news": 10}
    assert further.tokenizer.get_vocab() == setup.tokenizer.get_vocab()
    assert further.model.generation_config.max_new_tokens is not None


def test_bad_records_stop_or_are_told(summaries: Path, tmp_path: Path) -> None:
    for split in ("train", "valid"):
        path = write(tmp_path / f"news.{split}.jsonl", TEXTS, TITLES)
        if split == "train":
            path.write_text('{"text": "a"}\n' + path.read_text("utf-8"), encoding="utf-8")
    recipe = tiny_recipe(SummarizeRecipe, tmp_path, written_examples=0)
    with pytest.raises(DataError, match="line 1: `summary` must be a text"):
        recipe.prepare(tmp_path / "run", print)
    skipping = replace(recipe, data=replace(recipe.data, on_bad_record="skip"))
    _, figures, told = prepared(skipping, tmp_path / "run")
    assert figures["skipped"] == 1
    assert "news.train.jsonl, line 1: `summary` must be" in told[0]
