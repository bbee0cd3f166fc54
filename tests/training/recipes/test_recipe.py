from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bartleby.errors import OptionError
from bartleby.training.options import Options, option
from bartleby.training.recipes.recipe import DataOptions, Figures, ModelOptions, Recipe, Setup, Tell


@dataclass(frozen=True)
class CountOptions(Options):
    upto: int = option(3, "How far to count.", least=1)


class Counting(Recipe):
    kind, own, preset = "count", CountOptions, "bartleby-chat-mini"

    def prepare(self, folder: Path, tell: Tell) -> Figures:
        return {}

    def setup(self, folder: Path) -> Setup:
        raise AssertionError("not asked for here")


@pytest.fixture
def recipe(corpora: Path) -> Counting:
    return Counting(CountOptions(), ModelOptions(), DataOptions(corpora))


def test_a_document_says_what_decides_but_not_where_it_lies(recipe: Counting, corpora: Path) -> None:
    document = recipe.document()
    assert (document["kind"], document["upto"], document["batch_tokens"]) == ("count", 3, 5000)
    assert str(corpora) not in str(document)
    assert document["corpora"] == {
        name: (corpora / f"{name}.train.jsonl").stat().st_size for name in ("people", "talks")
    }


def test_another_validation_is_another_recipe(recipe: Counting, corpora: Path) -> None:
    sizes = {name: (corpora / f"{name}.valid.jsonl").stat().st_size for name in ("people", "talks")}
    assert recipe.document()["validation_corpora"] == sizes
    fewer = replace(recipe, data=DataOptions(corpora, validation="talks"))
    assert fewer.document()["validation_corpora"] == {"talks": sizes["talks"]}


def test_a_metric_of_another_kind_is_refused(recipe: Counting) -> None:
    recipe.refuse_unmeasured("perplexity")
    recipe.refuse_unmeasured(None)
    with pytest.raises(OptionError, match=r"must be one that count measures \(perplexity\), but is 'bleu'"):
        recipe.refuse_unmeasured("bleu")


def test_what_is_learnt_from_is_not_measured_on(recipe: Counting, corpora: Path, tmp_path: Path) -> None:
    file = corpora / "talks.train.jsonl"
    link = tmp_path / "other.jsonl"
    link.symlink_to(file)
    for validation in (file, link):
        for data in (file, corpora):
            same = replace(recipe, data=DataOptions(data, validation=str(validation)))
            with pytest.raises(OptionError, match=r"`validation` must not be learnt from, but .* is"):
                same.document()


def test_a_corpus_left_out_is_none_of_it(recipe: Counting, corpora: Path) -> None:
    other = replace(recipe, data=DataOptions(corpora, leave_out=("talks",)))
    assert list(other.document()["corpora"]) == ["people"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"positions": 64}, "`positions` stretches those of a checkpoint"),
        ({"lora": True}, "`lora` leaves weights as they are, so `model` must be given"),
        ({"freeze": ("encoder",)}, "`freeze` leaves weights as they are"),
        (
            {"lora_rank": 16, "lora_targets": "all"},
            r"(?s)`lora_rank` must be left at 8 where `lora` is not .* but is 16\. Ask for `lora`.*`lora_targets`",
        ),
        ({"tokenizer": "a", "vocab_size": 300}, "`vocab_size` must be left out where `tokenizer` is given"),
        ({"model": "a", "preset": "b", "vocab_size": 300}, r"(?s)2 faults.*`preset`.*`vocab_size` must be left out"),
    ],
)
def test_options_of_a_model_that_contradict_each_other_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        ModelOptions(**values)  # type: ignore[arg-type]
