import gzip
import json
import lzma
from pathlib import Path

import pytest

from bartleby.errors import DataError
from bartleby.training.corpora import Dialogue, Reading, as_dialogue, corpus_files, corpus_name, read_dialogues

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
    assert list(read_dialogues([path], reading)) == [Dialogue(("Hi!", "Hello."))] * 2
    assert reading.records == {"talk": 2}


def test_the_files_of_a_split_come_in_order_without_those_left_out(tmp_path: Path) -> None:
    for name in ("b.train.jsonl", "a.train.jsonl.xz", "a.valid.jsonl", "old_news.train.jsonl", "c.train.csv"):
        write(tmp_path / name, "{}")
    found = corpus_files(tmp_path, "train", leave_out=["old_*"])
    assert [path.name for path in found] == ["a.train.jsonl.xz", "b.train.jsonl"]
    assert [corpus_name(path) for path in found] == ["a", "b"]


def test_a_folder_without_corpora_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"NAME\.train ending in \.jsonl"):
        corpus_files(tmp_path, "train")
    with pytest.raises(DataError, match="is not a folder"):
        corpus_files(tmp_path / "nowhere", "train")


def test_personas_belong_to_the_speakers_in_turn() -> None:
    dialogue = as_dialogue({"turns": ["a", "b", "c"], "personas": [["I sing."], ["I row.", "I cook."]]})
    assert [dialogue.persona_of(place) for place in range(3)] == [("I sing.",), ("I row.", "I cook."), ("I sing.",)]
    assert Dialogue(("a", "b")).persona_of(1) == ()


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
    with pytest.raises(DataError, match=rf"talk\.train\.jsonl, line 3: .*{fault}"):
        list(read_dialogues([path]))


def test_bad_records_can_be_skipped_but_are_told(tmp_path: Path) -> None:
    path = write(tmp_path / "talk.train.jsonl", "{}", json.dumps(RECORD), "oops")
    reading = Reading()
    assert len(list(read_dialogues([path], reading, on_bad_record="skip"))) == 1
    assert [message.split(": ")[0] for message in reading.skipped] == [f"{path}, line 1", f"{path}, line 3"]
    assert reading.records == {"talk": 1}


@pytest.mark.parametrize("name", ["talk.train.jsonl", "talk.train.jsonl.xz", "talk.train.jsonl.gz"])
def test_a_damaged_file_is_an_error_even_when_bad_records_are_skipped(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"\xff\xfe\x00 no such format")
    with pytest.raises(DataError, match="cannot be read"):
        list(read_dialogues([path], on_bad_record="skip"))


def test_the_corpora_at_hand_are_all_dialogues(shared: Path) -> None:
    [path] = [path for path in corpus_files(shared / "data" / "chat", "valid") if "persona" in path.name]
    reading = Reading()
    assert all(len(dialogue.personas) == 2 for dialogue in read_dialogues([path], reading))
    assert reading.records == {"synthetic_persona_chat": 61}
