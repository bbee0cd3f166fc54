import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bartleby.errors import DataError, OptionError
from bartleby.tokenization.base import PreTrainedTokenizer
from bartleby.tokenization.byte_level import BartTokenizer
from bartleby.training.recipes.classify import ClassifyOptions, ClassifyRecipe, LabelExamples
from tests.training.recipes.overfitting import EXAMPLES, learnt_by_heart, measures, prepared, tiny_recipe

WORDS = ("cat", "dog", "sun", "sea", "red", "sky", "ink", "pen")
TEXTS = [f"the {first} saw a {second}" for first in WORDS for second in WORDS]
NUMBERS = list(range(EXAMPLES))


def write(folder: Path, *records: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for split in ("train", "valid"):
        text = "".join(json.dumps(record) + "\n" for record in records)
        (folder / f"{split}.jsonl").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizer:
    return BartTokenizer().train_new_from_iterator(TEXTS, 330)


def test_sixty_four_labels_are_learnt_by_heart(tmp_path: Path) -> None:
    kinds = ("bad", "good", "so-so")
    data = write(tmp_path / "films", *({"text": text, "label": kinds[number % 3]} for number, text in enumerate(TEXTS)))
    setup, figures, told = prepared(tiny_recipe(ClassifyRecipe, data), tmp_path / "run")
    assert figures["labels"] == {"bad": 22, "good": 21, "so-so": 21}
    assert told[-1].startswith("64 texts gave 64 examples (bad 22, good 21, so-so 21); 0 texts lost their end")
    assert setup.model.config.id2label == dict(enumerate(kinds))
    assert setup.model.config.problem_type == "single_label_classification"
    assert learnt_by_heart(setup, 100) < 0.02
    found = setup.measure(None)
    assert found["loss"] < 0.02
    assert found["accuracy"] == found["f1"] == found["matthews"] == 1
    assert found["examples"] == EXAMPLES


def test_sixty_four_pairs_of_texts_are_learnt_by_heart(tmp_path: Path) -> None:
    rows = [
        f"{number}\t{first}\t{second}\t{int(first == second)}"
        for number, (first, second) in enumerate((first, second) for first in WORDS for second in WORDS)
    ]
    for split in ("train", "dev"):
        lines = ["index\tsentence1\tsentence2\tlabel", *rows]
        (tmp_path / f"{split}.tsv").write_text("\n".join(lines), encoding="utf-8")
    recipe = tiny_recipe(ClassifyRecipe, tmp_path)
    setup, _, _ = prepared(recipe, tmp_path / "run")
    ids = setup.measure.collation.examples.rows("source")[0]  # type: ignore[attr-defined]
    assert ids.count(setup.tokenizer.eos_token_id) == 3
    assert learnt_by_heart(setup, 100) < 0.05
    found = setup.measure(None)
    assert found["f1"] == 1
    assert measures(recipe, found)


def test_sixty_four_sets_of_labels_are_learnt_by_heart(tmp_path: Path) -> None:
    data = write(
        tmp_path / "d",
        *({"text": text, "label": [word for word in ("cat", "sea", "pen") if word in text]} for text in TEXTS),
    )
    recipe = tiny_recipe(ClassifyRecipe, data, problem_type="multi_label_classification")
    setup, figures, _ = prepared(recipe, tmp_path / "run")
    assert figures["labels"] == {"cat": 15, "pen": 15, "sea": 15}
    assert learnt_by_heart(setup, 100) < 0.05
    found = setup.measure(None)
    assert (found["accuracy"], found["f1"]) == (1, 1)
    assert measures(recipe, found)


def test_sixty_four_numbers_are_learnt_by_heart(tmp_path: Path) -> None:
    data = write(
        tmp_path / "d",
        *({"sentence1": text, "sentence2": "a cat", "score": number % 8 / 4} for number, text in enumerate(TEXTS)),
    )
    recipe = tiny_recipe(ClassifyRecipe, data, problem_type="regression")
    setup, figures, _ = prepared(recipe, tmp_path / "run")
    assert figures["labels"] == {}
    assert (setup.model.config.num_labels, setup.model.config.problem_type) == (1, "regression")
    assert learnt_by_heart(setup, 200, 5e-3) < 0.02
    found = setup.measure(None)
    assert found["squared_error"] == pytest.approx(found["loss"], rel=1e-5)
    assert found["pearson"] > 0.98
    assert measures(recipe, found)


def test_measuring_changes_nothing(tmp_path: Path) -> None:
    data = write(tmp_path / "d", *({"text": text, "label": "cat" in text} for text in TEXTS))
    setup, _, _ = prepared(tiny_recipe(ClassifyRecipe, data, model={"dropout": 0.5}), tmp_path / "run")
    setup.objective.train()
    assert setup.measure(5) == setup.measure(5)
    assert setup.model.training


def test_labels_come_in_the_order_of_numbers_or_as_said(tmp_path: Path) -> None:
    data = write(tmp_path / "d", *({"text": text, "label": number % 12} for number, text in enumerate(TEXTS)))
    recipe = tiny_recipe(ClassifyRecipe, data)
    assert recipe._labels() == [str(number) for number in range(12)]  # type: ignore[attr-defined]
    said = tiny_recipe(ClassifyRecipe, data, labels=("2", "1"))
    with pytest.raises(DataError, match=r"line 1: the label must be one of 2, 1, but is '0'"):
        said.prepare(tmp_path, print)


def test_a_checkpoint_keeps_the_order_of_its_labels(tmp_path: Path) -> None:
    data = write(tmp_path / "d", *({"text": text, "label": ("no", "yes")["cat" in text]} for text in TEXTS))
    setup, _, _ = prepared(tiny_recipe(ClassifyRecipe, data, labels=("yes", "no", "maybe")), tmp_path / "first")
    setup.model.save_pretrained(tmp_path / "saved")
    setup.tokenizer.save_pretrained(tmp_path / "saved")
    model = {"model": str(tmp_path / "saved"), "change": (), "vocab_size": None}
    further, _, _ = prepared(tiny_recipe(ClassifyRecipe, data, model=model), tmp_path / "second")
    assert further.model.config.id2label == {0: "yes", 1: "no", 2: "maybe"}
    for name, value in setup.model.state_dict().items():
        np.testing.assert_array_equal(further.model.state_dict()[name].numpy(), value.numpy(), err_msg=name)


def test_a_checkpoint_learns_labels_of_another_number(tmp_path: Path) -> None:
    first = write(tmp_path / "first", *({"text": text, "label": ("no", "yes")["cat" in text]} for text in TEXTS))
    setup, _, _ = prepared(tiny_recipe(ClassifyRecipe, first), tmp_path / "first-run")
    setup.model.save_pretrained(tmp_path / "saved")
    setup.tokenizer.save_pretrained(tmp_path / "saved")
    second = write(tmp_path / "second", *({"text": text, "label": len(text) % 3} for text in ("a", "ab", "abc")))
    model = {"model": str(tmp_path / "saved"), "change": (), "vocab_size": None}
    further, _, _ = prepared(tiny_recipe(ClassifyRecipe, second, model=model), tmp_path / "second-run")
    assert further.model.config.id2label == {0: "0", 1: "1", 2: "2"}
    assert len(further.model.state_dict()["classification_head.out_proj.bias"]) == 3
    known, kept = (each.state_dict()["model.shared.weight"].numpy() for each in (setup.model, further.model))
    np.testing.assert_array_equal(known, kept)


def test_a_single_label_tells_nothing_apart(tmp_path: Path) -> None:
    data = write(tmp_path / "d", {"text": "a", "label": "good"})
    with pytest.raises(DataError, match=r"at least 2 labels, but there is \['good'\]"):
        tiny_recipe(ClassifyRecipe, data).prepare(tmp_path, print)


def test_pairs_and_single_texts_do_not_mix(tmp_path: Path) -> None:
    data = write(tmp_path / "d", {"text": "a", "label": 0}, {"text": "b", "text_pair": "c", "label": 1})
    with pytest.raises(DataError, match="line 2: every record must have no second text, as the first record"):
        tiny_recipe(ClassifyRecipe, data).prepare(tmp_path, print)


def test_fields_and_columns_go_by_the_names_that_are_said(tmp_path: Path) -> None:
    for split in ("train", "dev"):
        (tmp_path / f"{split}.tsv").write_text("gj04\t1\t\tOurs.\ngj04\t0\t*\tOur.\n", encoding="utf-8")
    columns = ("source", "label", "mark", "line")
    _, figures, _ = prepared(
        tiny_recipe(ClassifyRecipe, tmp_path, columns=columns, text_field="line"), tmp_path / "run"
    )
    assert figures["labels"] == {"0": 1, "1": 1}


def test_long_texts_lose_their_end_or_are_left_out(tokenizer: PreTrainedTokenizer) -> None:
    records = [{"text": "the cat " * 20, "label": "a"}, {"text": "the dog </s>", "label": "b"}]
    maker = LabelExamples(tokenizer, ClassifyOptions(source_tokens=16), ("a", "b"))
    rows = list(maker.rows(maker.shape(record) for record in records))
    assert len(rows[0]["source"]) == 16
    assert [list(row["source"]).count(tokenizer.eos_token_id) for row in rows] == [1, 1]
    assert (maker.report.cut_texts, maker.report.examples) == (1, 2)
    maker = LabelExamples(tokenizer, ClassifyOptions(source_tokens=16, long_texts="out"), ("a", "b"))
    assert [row["labels"] for row in maker.rows(map(maker.shape, records))] == [[1]]
    assert maker.report.long_texts == 1


def test_options_that_contradict_each_other_are_named_together() -> None:
    with pytest.raises(OptionError, match=r"(?s)`pair_field` must be left out.*`labels` must be left out.*must differ"):
        ClassifyOptions(pair_field="b", labels=("x", "x"), problem_type="regression")
