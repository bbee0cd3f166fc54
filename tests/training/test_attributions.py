from dataclasses import replace
from pathlib import Path

import pytest

from bartleby.training import attributions
from bartleby.training.attributions import CORPORA, attribution_row, may_be_given_out
from bartleby.training.corpora import corpus_files, corpus_name


def test_a_known_corpus_is_named_with_licence_and_source() -> None:
    row = attribution_row("casino", 932, "chat")
    assert row.startswith("| CaSiNo")
    assert "| 932 | chat | CC-BY-4.0 | kushalchawla/CaSiNo 2f6ed4a6 |" in row


def test_an_unknown_corpus_is_not_passed_over() -> None:
    row = attribution_row("my_talks", 1200, "pretrain, chat")
    assert row == "| my_talks | 1,200 | pretrain, chat | not known to bartleby | not known to bartleby | |"


def test_only_known_corpora_of_open_licences_leave_the_licence_free(monkeypatch: pytest.MonkeyPatch) -> None:
    assert may_be_given_out(CORPORA)
    assert not may_be_given_out([])
    assert not may_be_given_out(["casino", "my_talks"])
    closed = {"casino": replace(CORPORA["casino"], licence="CC-BY-NC-4.0")}
    monkeypatch.setattr(attributions, "CORPORA", closed)
    assert not may_be_given_out(["casino"])


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
