from pathlib import Path

from bartleby.training.attributions import CORPORA, attribution_row
from bartleby.training.corpora import corpus_files, corpus_name


def test_a_known_corpus_is_named_with_licence_and_source() -> None:
    row = attribution_row("casino", 932, "chat")
    assert row.startswith("| CaSiNo")
    assert "| 932 | chat | CC-BY-4.0 | kushalchawla/CaSiNo 2f6ed4a6 |" in row


def test_an_unknown_corpus_is_not_passed_over() -> None:
    row = attribution_row("my_talks", 1200, "pretrain, chat")
    assert row == "| my_talks | 1,200 | pretrain, chat | not known to bartleby | not known to bartleby | |"


def test_every_corpus_that_the_recipes_may_use_is_attributed(shared: Path) -> None:
    notes = (shared / "data" / "README.md").read_text(encoding="utf-8")
    folders = ("chat", "summaries", "text")
    files = [(folder, path) for folder in folders for path in corpus_files(shared / "data" / folder, "train")]
    assert {corpus_name(path) for _, path in files} == CORPORA.keys()
    for folder, path in files:
        known = CORPORA[corpus_name(path)]
        [row] = [line for line in notes.splitlines() if line.startswith(f"| {folder}/{corpus_name(path)} ")]
        assert known.licence.split(" (")[0] in row
        owner, sign, _ = known.source.split()[0].partition("/")
        assert not sign or owner in notes
