"""ParlAI's dictionaries, and the tokenizer files they become.

`model.dict` lists tokens by id, behind the four special ones. The 90M model's pieces of words are in it as they are
(`ing@@`), their merges in `model.dict.codecs`; the larger models' are GPT-2's kind, with `model.dict-vocab.json` and
`model.dict-merges.txt`. Tables of half-precision models are filled up to a multiple of 8.
Source: ParlAI, `core/dict.py`, `utils/bpe.py` and `core/torch_agent.py`; the published vocab.json of both models.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bartleby.checkpoints.originals import lines_of, text_of

VERSION = "#version: 0.2"
SPECIAL = ("__null__", "__start__", "__end__", "__unk__")
PUBLISHED = dict(zip(SPECIAL, ("<pad>", "<s>", "</s>", "<unk>"), strict=True))
"""What the published Blenderbot vocabulary calls them; tokens that had these names are called `…_AGAIN>`."""
FILLED_TO = 8
ESCAPES = (("\\n", "\n"), ("\\t", "\t"), ("\\r", "\r"))


class ParlaiVocabulary:
    """The dictionary beside `model`; what is wrong with it is added to `faults`."""

    def __init__(self, model: Path, options: Mapping[str, Any], faults: list[str]) -> None:
        self.dictionary = model.with_name(f"{model.name}.dict")
        self.lower = bool(options.get("dict_lower", False))
        beside = {ending: model.with_name(f"{self.dictionary.name}{ending}") for ending in (".codecs", "-merges.txt")}
        merges = [path for path in beside.values() if path.is_file()]
        if len(merges) != 1:
            names = " and ".join(path.name for path in beside.values())
            faults.append(f"{model.parent} must have exactly one of {names}, but has {len(merges)} of them.")
        if not self.dictionary.is_file():
            faults.append(f"{self.dictionary} is missing.")
        self.tokens = self._tokens() if self.dictionary.is_file() else list(SPECIAL)
        self.merges = _merges(merges[0]) if merges else []

    def _tokens(self) -> list[str]:
        """The tokens by id: the special ones come first wherever the file has them."""
        words = [line.partition("\t")[0] for line in lines_of(text_of(self.dictionary))]
        for written, meant in ESCAPES:
            words = [word.replace(written, meant) for word in words]
        return list(dict.fromkeys([*SPECIAL, *words]))

    def fill_to(self, rows: int, faults: list[str]) -> None:
        """Add the tokens that ParlAI adds for tables of half-precision models."""
        missing = rows - len(self.tokens)
        if missing != 0 and missing != -len(self.tokens) % FILLED_TO:
            faults.append(
                f"The embedding has {rows} rows, but {self.dictionary.name} has {len(self.tokens)} tokens. "
                "Is this the dictionary of another model?"
            )
            return
        names = (f"__FP16_PAD_{number}__" for number in range(missing))
        self.tokens += [name.lower() if self.lower else name for name in names]

    def files(self, model_type: str, longest: int) -> dict[str, bytes]:
        """The tokenizer in the published form."""
        small = model_type == "blenderbot-small"
        settings: dict[str, Any] = {"model_max_length": longest}
        if small:
            settings["tokenizer_class"] = "BlenderbotSmallTokenizer"
        else:
            settings |= {"tokenizer_class": "BlenderbotTokenizer", "add_prefix_space": True}
        tokens = self.tokens if small else published_names(self.tokens)
        ids = {token: index for index, token in enumerate(tokens)}
        return {
            "vocab.json": json.dumps(ids, ensure_ascii=small).encode(),
            "merges.txt": "\n".join([VERSION, *self.merges, ""]).encode(),
            "tokenizer_config.json": (json.dumps(settings, indent=2, sort_keys=True) + "\n").encode(),
        }


def _merges(path: Path) -> list[str]:
    lines = lines_of(text_of(path))
    return lines[1:] if lines[:1] == [VERSION] else lines


def published_names(tokens: list[str]) -> list[str]:
    """ParlAI's special tokens under the names of the published vocabulary, which tokens of the BPE had before."""
    again = {name: f"{name[:-1]}_AGAIN>" for name in PUBLISHED.values()}
    return [PUBLISHED.get(token) or again.get(token) or token for token in tokens]
