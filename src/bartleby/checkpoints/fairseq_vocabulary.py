"""fairseq's numbering of GPT-2's tokens, and the tokenizer files it becomes.

Ids go by frequency: id = 4 + line of dict.txt, and the line says which number GPT-2 gave the token in encoder.json. The
dictionary is filled up with words that do not exist ("madeupword0000"); `<mask>` comes behind all of it.
Source: fairseq, `data/dictionary.py`; the published vocab.json.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from bartleby.checkpoints.originals import lines_of, text_of
from bartleby.documents import read_document

VERSION = "#version: 0.2"
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
MASK = "<mask>"
FILLER = re.compile(r"madeupword\d+")
FILLED_TO = 8
"""The published vocabulary has fillers up to a multiple of this, and none of those bart.base has beyond it."""


class FairseqVocabulary:
    """dict.txt over GPT-2's numbers; what is wrong with it is added to `faults`."""

    def __init__(self, dictionary: Path, bpe: Path, faults: list[str]) -> None:
        numbers = read_document(bpe / "encoder.json")
        tokens = {str(number): token for token, number in numbers.items() if type(number) is int}
        if len(tokens) < len(numbers):
            faults.append(f"{bpe / 'encoder.json'} must give every token a number of its own.")
        words = [line.rpartition(" ")[0] for line in lines_of(text_of(dictionary))]
        unknown = [word for word in words if word not in tokens and not FILLER.fullmatch(word)]
        if unknown:
            listed = ", ".join(map(repr, unknown[:5])) + (" …" if len(unknown) > 5 else "")
            faults.append(f"{dictionary} has {len(unknown)} lines that encoder.json does not explain: {listed}.")
        named = [tokens.get(word, word) for word in words]
        if len({*SPECIAL, *named}) < len(SPECIAL) + len(named):
            faults.append(f"{dictionary} has a token twice.")
        self.tokens = [*SPECIAL, *named]
        self.merges = lines_of(text_of(bpe / "vocab.bpe"))

    @property
    def size(self) -> int:
        """Tokens that have a row, `<mask>` not counted."""
        return len(self.tokens)

    @property
    def kept(self) -> int:
        """Tokens of the published vocabulary: all that exist, and fillers up to a multiple of 8."""
        real = max(place for place, token in enumerate(self.tokens, start=1) if not FILLER.fullmatch(token))
        return min(self.size, -(-real // FILLED_TO) * FILLED_TO)

    def files(self) -> dict[str, bytes]:
        """The tokenizer in the published form; `<mask>` has its number whether or not the model has its row."""
        ids = {token: index for index, token in enumerate([*self.tokens[: self.kept], MASK])}
        merges = self.merges[1:] if self.merges[:1] == [VERSION] else self.merges
        settings = {"tokenizer_class": "BartTokenizer", "model_max_length": 1024}
        return {
            "vocab.json": json.dumps(ids, ensure_ascii=False).encode(),
            "merges.txt": "\n".join([VERSION, *merges, ""]).encode(),
            "tokenizer_config.json": (json.dumps(settings, indent=2) + "\n").encode(),
        }
