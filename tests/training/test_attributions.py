from pathlib import Path

from bartleby.training.attributions import CORPORA, attribution_row
from bartleby.training.corpora import corpus_files, corpus_name


def test_a_known_corpus_is_named_with_licence_and_source() -> None:
    row = attribution_row("casino", 932)
    assert row.startswith("| CaSiNo")
    assert "| 932 | CC-BY-4.0 | kushalchawla/CaSiNo 2f6ed4a6 |" in row


def test_an_unknown_corpus_is_not_passed_over() -> None:
    assert attribution_row("my_talks", 1200) == "| my_talks | 1,200 | not known to bartleby | not known to bartleby | |"


def test_every_corpus_of_the_recipe_is_attributed(shared: Path) -> None:
    names = {corpus_name(path) for path in corpus_files(shared / "data" / "chat", "train", ["novel_dialogue"])}
    assert names == CORPORA.keys()
    notes = (shared / "data" / "README.md").read_text(encoding="utf-8")
    for name, known in CORPORA.items():
        [row] = [line for line in notes.splitlines() if line.startswith(f"| chat/{name} ")]
        assert known.licence.split(" (")[0] in row
        assert known.source.split()[0].split("/")[0] in notes
