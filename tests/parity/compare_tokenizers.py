"""How far our tokenizers agree with the goldens: prints counts, and the first differences of each kind.

python tests/parity/compare_tokenizers.py own
python tests/parity/compare_tokenizers.py published ../shared/vocab
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizer_goldens import (
    COUNTS,
    FOLDER,
    OWN_VOCABULARIES,
    RUNS,
    Run,
    fingerprint,
    paired,
    read,
    unflatten,
    vocabulary_checksum,
)
from tokenizer_texts import checksum, make_texts

from bartleby.tokenization.blenderbot_small import BlenderbotSmallTokenizer
from bartleby.tokenization.byte_level import BartTokenizer, BlenderbotTokenizer

CLASSES: dict[str, Any] = {
    "bart": BartTokenizer,
    "blenderbot": BlenderbotTokenizer,
    "blenderbot_small": BlenderbotSmallTokenizer,
}
SHOWN = 3


@dataclass(frozen=True)
class Agreement:
    """One aspect of one run: how many of the rows agree, and the numbers of those that do not."""

    run: str
    aspect: str
    rows: int
    differing: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.run:28} {self.aspect:26} {self.rows - len(self.differing):5} of {self.rows:5}"


def aspects(tokenizer: Any, texts: list[str]) -> dict[str, list[Any]]:
    """What goldens hold, of one of our tokenizers."""
    encoded = tokenizer(texts, return_offsets_mapping=True)
    ids = encoded["input_ids"]
    firsts, seconds = map(list, zip(*paired(texts), strict=True))
    return {
        "ids": ids,
        "offsets": encoded["offset_mapping"],
        "pairs": tokenizer(firsts, seconds)["input_ids"],
        "decoded": [fingerprint(tokenizer.decode(row)) for row in ids],
        "decoded_without_specials": [fingerprint(tokenizer.decode(row, skip_special_tokens=True)) for row in ids],
    }


def compare(run: Run, golden: dict[str, Any], texts: list[str], vocabularies: Path) -> list[Agreement]:
    """One run against its golden.

    Raises: ValueError when the golden was made with another vocabulary.
    """
    folder = vocabularies / run.kind
    if vocabulary_checksum(folder) != golden["vocabulary"]:
        raise ValueError(
            f"The vocabulary in {folder} is not the one of the golden. Run make_tokenizer_goldens.py anew."
        )
    found = aspects(CLASSES[run.kind](folder / "vocab.json", folder / "merges.txt", **run.options), texts)
    wanted = {**golden, "offsets": [unflatten(row) for row in golden.get("offsets", ())]}
    return [
        Agreement(run.name, key, len(rows), unequal(found[key], rows))
        for key, rows in wanted.items()
        if key in found and rows
    ]


def unequal(found: Sequence[Any], wanted: Sequence[Any]) -> tuple[int, ...]:
    return tuple(number for number, (a, b) in enumerate(zip(found, wanted, strict=True)) if a != b)


def compare_all(name: str, vocabularies: Path) -> list[Agreement]:
    """Every run of one file of goldens.

    Raises: ValueError when the strings are not those the goldens were made from.
    """
    texts = make_texts(COUNTS[name])
    golden = read(FOLDER / f"{name}.json.xz")
    if checksum(texts) != golden["texts"]:
        raise ValueError(f"{name}.json.xz was made from other strings. Run make_tokenizer_goldens.py anew.")
    found: list[Agreement] = []
    for run in RUNS:
        found += compare(run, golden["runs"][run.name], texts[: int(len(texts) * run.share)], vocabularies)
    return found


if __name__ == "__main__":
    chosen = sys.argv[1] if len(sys.argv) > 1 else "own"
    for agreement in compare_all(chosen, Path(sys.argv[2]) if len(sys.argv) > 2 else OWN_VOCABULARIES):
        print(agreement)
        for number in agreement.differing[:SHOWN]:
            print(f"    {number}: {make_texts(number + 1)[number]!r:.110}")
