"""Writes goldens/tokenizers/*.json.xz: what transformers 4.37.2 makes of the strings of `tokenizer_texts`.

Run it where that release is installed:

    python tests/parity/make_tokenizer_goldens.py own=tests/parity/goldens/tokenizers/own published=../shared/vocab

Oracles: the fast classes for BART and Blenderbot; the slow class for Blenderbot-Small, whose fast one is broken and
which therefore has no offsets here. Decoded texts are kept as fingerprints. `compare_tokenizers.py` reads the result.
"""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import Any

import tokenizers
import transformers
from tokenizer_goldens import COUNTS, FOLDER, RUNS, Run, fingerprint, flatten, paired, vocabulary_checksum, write
from tokenizer_texts import checksum, make_texts

CLASSES = {
    "bart": transformers.BartTokenizerFast,
    "blenderbot": transformers.BlenderbotTokenizerFast,
    "blenderbot_small": transformers.BlenderbotSmallTokenizer,
}


def oracle(run: Run, vocabularies: Path) -> Any:
    folder = vocabularies / run.kind
    return CLASSES[run.kind](str(folder / "vocab.json"), str(folder / "merges.txt"), **run.options)


def answers(run: Run, texts: list[str], vocabularies: Path) -> dict[str, Any]:
    tokenizer = oracle(run, vocabularies)
    encoded = tokenizer(texts, return_offsets_mapping=tokenizer.is_fast, verbose=False)
    ids = encoded["input_ids"]
    golden = {
        "vocabulary": vocabulary_checksum(vocabularies / run.kind),
        "ids": ids,
        "pairs": tokenizer(paired(texts), verbose=False)["input_ids"],
        "decoded": [fingerprint(tokenizer.decode(row)) for row in ids],
        "decoded_without_specials": [fingerprint(tokenizer.decode(row, skip_special_tokens=True)) for row in ids],
    }
    if tokenizer.is_fast:
        golden["offsets"] = [flatten(row) for row in encoded["offset_mapping"]]
    return golden


def make(name: str, vocabularies: Path) -> None:
    texts = make_texts(COUNTS[name])
    runs = {run.name: answers(run, texts[: int(len(texts) * run.share)], vocabularies) for run in RUNS}
    versions = {"transformers": transformers.__version__, "tokenizers": tokenizers.__version__}
    versions["python"] = platform.python_version()
    write(FOLDER / f"{name}.json.xz", {"made_with": versions, "texts": checksum(texts), "runs": runs})


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        make(argument.partition("=")[0], Path(argument.partition("=")[2]))
