import json
from dataclasses import replace
from pathlib import Path

import pytest

from bartleby.errors import DataError, OptionError
from bartleby.training.objectives import repeats
from bartleby.training.recipes import unlikelihood
from bartleby.training.recipes.chat import ChatOptions
from bartleby.training.recipes.recipe import DataOptions
from bartleby.training.recipes.unlikelihood import UnlikelihoodOptions
from bartleby.training.trainer import Trainer
from tests.training.tiny import quiet, tiny_recipe, tiny_training, write_corpora

TERMS = {
    "none": {"likelihood"},
    "tokens": {"likelihood", "unlikelihood"},
    "sequences": {"unlikelihood"},
    "vocabulary": {"likelihood"},  # the first batches are only counted
    "rewards": {"likelihood", "unlikelihood"},
}


@pytest.fixture(scope="module")
def rewarded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Corpora in which each second turn of a talk is marked as wrong."""
    folder = write_corpora(tmp_path_factory.mktemp("rewarded"))
    for path in folder.glob("talks.*"):
        records = [{**json.loads(line), "rewards": [1, -1, 1, -1]} for line in path.read_text().splitlines()]
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return folder


@pytest.mark.parametrize("name", TERMS)
def test_a_chat_can_be_taught_what_not_to_say(name: str, rewarded: Path, tmp_path: Path) -> None:
    own = {"sequence_share": 1.0} if name == "sequences" else {}
    options = ChatOptions(unlikelihood=name, target_tokens=20, **own)
    recipe = replace(tiny_recipe(rewarded), options=options, data=DataOptions(rewarded, batch_tokens=400))
    recipe.prepare(tmp_path, quiet)
    setup = recipe.setup(tmp_path)
    [report] = Trainer(setup.objective, setup.batches.from_number, tiny_training(1)).run()
    assert report.terms.keys() == TERMS[name]
    assert report.loss > 0


def test_a_reply_is_rewarded_as_its_turn_is(rewarded: Path, tmp_path: Path) -> None:
    options = ChatOptions(unlikelihood="rewards")
    recipe = replace(tiny_recipe(rewarded), options=options, data=DataOptions(rewarded, batch_tokens=10_000))
    recipe.prepare(tmp_path, quiet)
    setup = recipe.setup(tmp_path)
    batch = next(setup.batches.from_number(0))
    told = {
        setup.tokenizer.decode([token for token in labels if token >= 0], skip_special_tokens=True).strip(): reward
        for labels, reward in zip(batch.arrays["labels"].tolist(), batch.arrays["rewards"].tolist(), strict=True)
    }
    assert (told["Yes, I like cats."], told["I like cats too!"], told["Nice."], told["I see."]) == (-1, 1, -1, 1)


def test_rewards_are_refused_where_no_reply_is_marked_as_wrong(corpora: Path, tmp_path: Path) -> None:
    recipe = replace(tiny_recipe(corpora), options=ChatOptions(unlikelihood="rewards"))
    with pytest.raises(DataError, match=r"One record at least must have `rewards` .* none has\. Mark replies"):
        recipe.prepare(tmp_path, quiet)


def test_smoothing_goes_with_some_only() -> None:
    UnlikelihoodOptions(unlikelihood="tokens", label_smoothing=0.1)
    with pytest.raises(OptionError, match="`label_smoothing` must be 0 where `unlikelihood` is sequences"):
        UnlikelihoodOptions(unlikelihood="sequences", label_smoothing=0.1)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"alpha": 0.5}, r"`alpha` must be left at 1.0 where `unlikelihood` is none, but is 0.5\. Choose tokens or"),
        ({"unlikelihood": "sequences", "alpha": 0.5}, "`alpha` must be left at 1.0 where `unlikelihood` is sequences"),
        ({"unlikelihood": "tokens", "overuse": "kldiv"}, r"`overuse` must be left at uniform .* Choose vocabulary, or"),
        ({"unlikelihood": "tokens", "repeated_ngram": 3}, "Choose sequences, or leave it out"),
    ],
)
def test_options_of_another_unlikelihood_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        UnlikelihoodOptions(**values)  # type: ignore[arg-type]


def test_every_weighting_can_be_chosen() -> None:
    assert unlikelihood.WEIGHTINGS == repeats.WEIGHTINGS
