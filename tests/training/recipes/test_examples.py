import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bartleby.errors import DataError
from bartleby.training.recipes import RECIPES
from bartleby.training.recipes.examples import chunks, sampled, share_told, write_examples, write_sample
from bartleby.training.recipes.pairs import PairReport
from bartleby.training.store import Examples
from tests.training.recipes.overfitting import tiny_recipe

RECORD: dict[str, Any] = {
    "text": "the cat saw the dog",
    "summary": "the cat and the dog",
    "source": "the cat saw the dog",
    "target": "the cat and the dog",
    "turns": ["the cat saw the dog", "the cat and the dog"],
    "label": "cat",
    "context": "the cat saw the dog",
    "question": "what did the cat see at home?",
    "answers": [{"text": "the dog", "answer_start": 12}],
}
"""Of every kind at once."""
OTHER = {**RECORD, "label": "dog"}
TOO_SHORT: dict[str, dict[str, Any]] = {
    "summarize": {"target_tokens": 3},
    "translate": {"target_tokens": 3},
    "chat": {"target_tokens": 2},
    "classify": {"source_tokens": 5, "long_texts": "out"},
    "answer": {"question_tokens": 2},
}
"""Limits that leave nothing of it."""


def corpus(folder: Path, train: list[Any], valid: list[Any]) -> Path:
    folder.mkdir()
    for split, records in (("train", train), ("valid", valid)):
        (folder / f"mine.{split}.jsonl").write_text("".join(json.dumps(each) + "\n" for each in records), "utf-8")
    return folder


def prepare(kind: str, data: Path, folder: Path, **options: Any) -> tuple[dict[str, Any], list[str]]:
    if kind in ("summarize", "translate"):
        options["written_examples"] = 0
    if kind == "pretrain":
        options["block_tokens"] = 64
    told: list[str] = []
    folder.mkdir()
    return tiny_recipe(RECIPES[kind], data, **options).prepare(folder, told.append), told


@pytest.mark.parametrize("kind", TOO_SHORT)
def test_limits_that_leave_nothing_are_refused_with_what_was_left_out(kind: str, tmp_path: Path) -> None:
    data = corpus(tmp_path / "data", [RECORD, OTHER], [RECORD, OTHER])
    with pytest.raises(DataError, match=r"(?s)no example to learn from\. .*Left out: .*raise the length limits"):
        prepare(kind, data, tmp_path / "run", **TOO_SHORT[kind])


@pytest.mark.parametrize("kind", [kind for kind in RECIPES if kind != "distill"])
def test_a_validation_whose_records_are_all_bad_is_refused(kind: str, tmp_path: Path) -> None:
    data = corpus(tmp_path / "data", [RECORD, OTHER], [{"nothing": 1}] * 3)
    with pytest.raises(DataError, match=r"no example to measure on\. .*Skipped: 3 bad records\. Mend the records"):
        prepare(kind, data, tmp_path / "run", on_bad_record="skip")


@pytest.mark.parametrize("kind", [kind for kind in RECIPES if kind != "distill"])
def test_a_validation_without_records_is_refused(kind: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no example to measure on"):
        prepare(kind, corpus(tmp_path / "data", [RECORD, OTHER], []), tmp_path / "run")


@pytest.mark.parametrize("kind", [kind for kind in RECIPES if kind not in ("distill", "classify")])
def test_corpora_without_a_good_record_are_refused(kind: str, tmp_path: Path) -> None:
    data = corpus(tmp_path / "data", [{"nothing": 1}] * 2, [RECORD])
    with pytest.raises(DataError, match=r"no example to learn from\. .*Skipped: 2 bad records"):
        prepare(kind, data, tmp_path / "run", on_bad_record="skip")


@pytest.mark.parametrize("kind", [kind for kind in RECIPES if kind != "distill"])
def test_bad_records_to_measure_on_are_told_and_counted_too(kind: str, tmp_path: Path) -> None:
    data = corpus(tmp_path / "data", [RECORD, OTHER], [RECORD, {"nothing": 1}])
    figures, told = prepare(kind, data, tmp_path / "run", on_bad_record="skip")
    assert (figures["skipped"], figures["validation"]["skipped"]) == (0, 1)
    assert any("mine.valid.jsonl, line 2" in line for line in told)


def test_a_label_that_only_the_validation_has_is_refused_or_skipped(tmp_path: Path) -> None:
    data = corpus(tmp_path / "data", [RECORD, OTHER], [RECORD, {**RECORD, "label": "sun"}])
    with pytest.raises(DataError, match=r"mine\.valid\.jsonl, line 2: the label must be one of cat, dog, but is 'sun'"):
        prepare("classify", data, tmp_path / "first")
    figures, _ = prepare("classify", data, tmp_path / "second", on_bad_record="skip")
    assert figures["validation"]["skipped"] == 1


def test_a_written_sample_is_the_same_each_time_and_all_there_is_if_few(tmp_path: Path) -> None:
    rows = [{"source": [number]} for number in range(20)]
    assert write_examples(tmp_path / "all", rows) == 20
    assert [write_sample(tmp_path / name, iter(rows), 5) for name in ("a", "b")] == [5, 5]
    first, second = (Examples.open(tmp_path / name).rows("source") for name in ("a", "b"))
    assert first == second != [[number] for number in range(5)]
    assert write_sample(tmp_path / "c", rows, 50) == 20
    assert write_sample(tmp_path / "none", [], 5) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "all", "b", "c"]


def test_a_sample_is_the_same_every_time_and_its_front_is_a_smaller_one() -> None:
    examples = Examples.of({"ids": [[number] for number in range(50)]})
    drawn = sampled(examples, 20).rows("ids")
    assert len(drawn) == 20
    assert drawn[:5] == sampled(examples, 5).rows("ids")
    assert drawn != [[number] for number in range(20)]
    assert np.array_equal(sorted(sampled(examples, 99).rows("ids")), [[number] for number in range(50)])


def test_chunks_leave_nothing_out() -> None:
    assert list(chunks(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(chunks([], 2)) == []


def test_a_share_is_told_where_a_limit_is_probably_a_slip() -> None:
    assert [share_told(count, 4000) for count in (0, 1000, 1001, 4000)] == ["0", "1,000", "1,001 (25%)", "4,000 (100%)"]
    assert share_told(0, 0) == "0"
    assert "3 (75%) sources lost their end." in PairReport(examples=4, cut_sources=3).told()
