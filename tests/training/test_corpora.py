import csv
import gzip
import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bartleby.errors import DataError, OptionError
from bartleby.training import corpora
from bartleby.training.corpora import (
    Reading,
    corpus_files,
    corpus_name,
    read_corpora,
    read_records,
    split_of,
    training_files,
    validation_files,
)
from bartleby.training.records import (
    Dialogue,
    Document,
    Pair,
    as_dialogue,
    as_document,
    as_labelled,
    as_pair,
    as_question,
    as_translation,
)

RECORD = {"turns": ["Hi!", "Hello."], "topic": "greetings"}


def write(path: Path, *lines: str) -> Path:
    opener = {".xz": lzma.open, ".gz": gzip.open}.get(path.suffix, open)
    with opener(path, "wt", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("ending", ["jsonl", "jsonl.xz", "jsonl.gz"])
def test_packed_or_not_a_corpus_reads_the_same(tmp_path: Path, ending: str) -> None:
    path = write(tmp_path / f"talk.train.{ending}", json.dumps(RECORD), "", json.dumps(RECORD))
    reading = Reading()
    assert list(read_records([path], as_dialogue, reading)) == [Dialogue(("Hi!", "Hello."))] * 2
    assert reading.records == {"talk": 2}


def test_the_files_of_a_split_come_in_order_without_those_left_out(tmp_path: Path) -> None:
    for name in (
        "b.train.jsonl",
        "a.train.jsonl.xz",
        "a.valid.jsonl",
        "old_news.train.jsonl",
        "c.train.doc",
        "d.test.jsonl",
    ):
        write(tmp_path / name, "{}")
    found = corpus_files(tmp_path, "train", leave_out=["old_*"])
    assert [path.name for path in found] == ["a.train.jsonl.xz", "b.train.jsonl"]
    assert [corpus_name(path) for path in found] == ["a", "b"]


def test_a_folder_without_corpora_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"NAME\.train ending in \.jsonl, \.json, \.csv"):
        corpus_files(tmp_path, "train")
    with pytest.raises(DataError, match="is not a folder"):
        corpus_files(tmp_path / "nowhere", "train")


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("{not json", "Expecting property name"),
        ('["Hi!", "Hello."]', "must be an object"),
        ('{"text": "Hi!"}', "`turns` must be a list of at least two texts that are not blank, but is null"),
        ('{"turns": ["Hi!"]}', "at least two texts"),
        ('{"turns": ["Hi!", " "]}', "not blank"),
        ('{"turns": ["Hi!", 3]}', "texts"),
        ('{"turns": ["Hi!", "Hello."], "personas": [["I sing."]]}', "`personas` must be two lists"),
        ('{"turns": ["Hi!", "Hello."], "personas": [["I sing."], "I row."]}', "`personas` must be two lists"),
    ],
)
def test_a_bad_record_is_named_with_file_and_line(tmp_path: Path, line: str, fault: str) -> None:
    path = write(tmp_path / "talk.train.jsonl", json.dumps(RECORD), "", line)
    with pytest.raises(DataError, match=rf"talk\.train\.jsonl, line 3: .*{fault}.*--on-bad-record skip"):
        list(read_records([path], as_dialogue))


def test_bad_records_can_be_skipped_but_are_told(tmp_path: Path) -> None:
    path = write(tmp_path / "talk.train.jsonl", "{}", json.dumps(RECORD), "oops")
    reading = Reading()
    assert len(list(read_records([path], as_dialogue, reading, on_bad_record="skip"))) == 1
    assert [message.split(": ")[0] for message in reading.skipped] == [f"{path}, line 1", f"{path}, line 3"]
    assert reading.records == {"talk": 1}


@pytest.mark.parametrize("name", ["talk.train.jsonl", "talk.train.jsonl.xz", "talk.train.jsonl.gz"])
def test_a_damaged_file_is_an_error_even_when_bad_records_are_skipped(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"\xff\xfe\x00 no such format")
    with pytest.raises(DataError, match="cannot be read"):
        list(read_records([path], as_dialogue, on_bad_record="skip"))


def test_refusals_are_all_counted_though_few_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpora, "SHOWN_REFUSALS", 2)
    reading = Reading()
    path = write(tmp_path / "talk.train.jsonl", *["{}"] * 5)
    assert list(read_records([path], as_dialogue, reading, on_bad_record="skip")) == []
    assert (reading.records, reading.refused, len(reading.skipped)) == ({"talk": 0}, 5, 2)
    assert reading.told()[0].startswith(f"Skipped {path}, line 1: `turns` must")
    assert reading.told()[2:] == ["Skipped 3 more bad records."]


@pytest.mark.parametrize(
    ("name", "corpus", "split"),
    [
        ("talk.train.jsonl.xz", "talk", "train"),
        ("talk.train.00001.jsonl", "talk", "train"),
        ("my.talk.validation.csv", "my.talk", "valid"),
        ("train.tsv", "MNLI", "train"),
        ("dev_matched.tsv", "MNLI", "valid"),
        ("dev-v1.1.json", "MNLI", "valid"),
        ("train-00000-of-00001.parquet", "MNLI", "train"),
        ("test.tsv", "test", None),
        ("mine.csv.gz", "mine", None),
        ("training.csv", "training", None),
        ("talk.train.doc", "talk", None),
    ],
)
def test_a_name_tells_corpus_and_split(tmp_path: Path, name: str, corpus: str, split: str | None) -> None:
    path = tmp_path / "MNLI" / name
    assert (corpus_name(path), split_of(path)) == (corpus, split)


def test_one_file_is_learnt_from_and_another_measured_on(tmp_path: Path) -> None:
    mine, held_out = write(tmp_path / "mine.csv", "text"), write(tmp_path / "held out.csv", "text")
    assert training_files(mine) == [mine]
    assert validation_files(mine, str(held_out)) == [held_out]
    with pytest.raises(OptionError, match="`validation` must be a file where `data` is one, but is not given"):
        validation_files(mine)
    with pytest.raises(DataError, match="nowhere is not a folder"):
        validation_files(tmp_path / "nowhere")
    with pytest.raises(OptionError, match="`leave_out` must be empty where `data` is one file, but is old_"):
        training_files(mine, ["old_*"])
    with pytest.raises(DataError, match="must be a folder or a file"):
        training_files(tmp_path / "nowhere.csv")


def test_a_corpus_to_measure_on_is_chosen_by_name(tmp_path: Path) -> None:
    for name in ("a.train.jsonl", "a.valid.jsonl", "b.dev.csv", "b.train.csv"):
        write(tmp_path / name, "{}")
    assert [path.name for path in training_files(tmp_path)] == ["a.train.jsonl", "b.train.csv"]
    assert [path.name for path in validation_files(tmp_path)] == ["a.valid.jsonl", "b.dev.csv"]
    assert [path.name for path in validation_files(tmp_path, "b")] == ["b.dev.csv"]
    with pytest.raises(OptionError, match=r"one of the corpora a, b, but is 'c'"):
        validation_files(tmp_path, "c")


def test_a_pattern_that_fits_no_corpus_is_a_slip(tmp_path: Path) -> None:
    write(tmp_path / "a.train.jsonl", "{}")
    with pytest.raises(OptionError, match="'novel_dialoge' is none"):
        corpus_files(tmp_path, "train", ["novel_dialoge"])


def test_a_file_packed_and_plain_does_not_count_twice(tmp_path: Path) -> None:
    for name in ("a.train.jsonl", "a.train.jsonl.xz", "a.train.1.jsonl"):
        write(tmp_path / name, "{}")
    with pytest.raises(DataError, match=r"a\.train\.jsonl and a\.train\.jsonl\.xz must not both be there"):
        corpus_files(tmp_path, "train")


def test_records_of_any_shape_and_format_are_read(tmp_path: Path) -> None:
    pairs = write(tmp_path / "a.train.csv", "text,summary", "long,short", "only one", "x,")
    reading = Reading()
    assert list(read_corpora([pairs], as_pair, reading, "skip")) == [("a", Pair("long", "short"))]
    assert [message.partition(": ")[0] for message in reading.skipped] == [f"{pairs}, line 3", f"{pairs}, line 4"]
    text = write(tmp_path / "b.train.txt", "One.", "Two.")
    assert list(read_records([text], as_document)) == [Document(("One.", "Two."))]
    glue = write(tmp_path / "train.tsv", "gj04\t1\t\tOur friends.")
    [labelled] = read_records([glue], as_labelled, columns=("source", "label", "mark", "sentence"))
    assert (labelled.text, labelled.label) == ("Our friends.", "1")


@pytest.mark.parametrize(
    ("record", "shape"),
    [
        ({"turns": ["Hi!", "Hello."], "personas": [[], ["I sing."]]}, as_dialogue),
        ({"translation": {"en": "yes", "ro": "da"}}, lambda record: as_translation(record, "en", "ro")),
        ({"paragraphs": ["One.", "Two."]}, as_document),
        ({"text": "a", "label": ["x", "y"]}, lambda record: as_labelled(record, "multi_label_classification")),
        ({"context": "He.", "question": "Who?", "answers": {"text": ["He"], "answer_start": [0]}}, as_question),
    ],
)
def test_a_record_is_the_same_in_json_parquet_and_where_cells_are_text_csv(
    tmp_path: Path, record: dict[str, Any], shape: Callable[[Any], Any]
) -> None:
    from pyarrow import Table, parquet

    parquet.write_table(Table.from_pylist([record]), tmp_path / "a.parquet")
    write(tmp_path / "a.jsonl", json.dumps(record))
    cells = [value if isinstance(value, str) else json.dumps(value) for value in record.values()]
    with (tmp_path / "a.csv").open("w", newline="") as file:
        csv.writer(file).writerows([list(record), cells])
    files = [tmp_path / f"a.{ending}" for ending in ("jsonl", "parquet", "csv")]
    [wanted, *others] = read_records(files, shape)
    assert others == [wanted, wanted]


def test_nothing_is_read_ahead_of_what_is_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "a.train.jsonl", '{"text": "a", "summary": "b"}', "oops")
    records = read_records([path], as_pair)
    assert next(records) == Pair("a", "b")
    with pytest.raises(DataError, match="line 2: no JSON"):
        next(records)


def test_an_article_of_squad_with_a_bad_question_gives_the_others(tmp_path: Path) -> None:
    good = {"question": "Who?", "answers": [{"text": "He", "answer_start": 0}], "id": "q"}
    bad = {"question": "Who?", "answers": [{"text": "She", "answer_start": 0}]}
    document = {"data": [{"paragraphs": [{"context": "He stays.", "qas": [bad, good]}]}]}
    path = write(tmp_path / "train-v1.1.json", json.dumps(document))
    reading = Reading()
    [question] = read_records([path], as_question, reading, "skip")
    assert question.name == "q"
    assert "record 1, paragraph 1, question 1: `answer_start` 0 must be where" in reading.skipped[0]


def test_the_corpora_at_hand_are_all_dialogues(shared: Path) -> None:
    [path] = [path for path in corpus_files(shared / "data" / "chat", "valid") if "persona" in path.name]
    reading = Reading()
    assert all(len(dialogue.personas) == 2 for dialogue in read_records([path], as_dialogue, reading))
    assert reading.records == {"synthetic_persona_chat": 61}
