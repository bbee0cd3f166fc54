"""What a file of tokenizer goldens holds, and how it is written and read, with the standard library alone."""

from __future__ import annotations

import hashlib
import json
import lzma
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "goldens" / "tokenizers"
OWN_VOCABULARIES = FOLDER / "own"  # small, trained on our own texts by train_own_vocabularies.py

Offsets = list[tuple[int, int]]


@dataclass(frozen=True)
class Run:
    """One tokenizer with one set of arguments, over the first `share` of the strings."""

    name: str
    kind: str
    """Also the folder of its vocabulary: "bart", "blenderbot" or "blenderbot_small"."""

    options: dict[str, Any] = field(default_factory=dict)
    share: float = 1.0


RUNS = (
    Run("bart", "bart"),
    Run("blenderbot", "blenderbot", {"add_prefix_space": True}),
    Run("blenderbot_small", "blenderbot_small"),
    Run("bart, prefix space", "bart", {"add_prefix_space": True}, share=0.2),
    Run("blenderbot, no prefix space", "blenderbot", {"add_prefix_space": False}, share=0.2),
)
COUNTS = {"own": 2000, "published": 5000}
PAIRS = 300


def paired(texts: list[str]) -> list[tuple[str, str]]:
    """Some neighbours as (text, text pair)."""
    return list(zip(texts[0 : 2 * PAIRS : 2], texts[1 : 2 * PAIRS : 2], strict=True))


def fingerprint(text: str) -> str:
    """Four bytes that stand for a decoded text; a wrong text has the same once in four thousand million."""
    return hashlib.blake2b(text.encode("utf-8"), digest_size=4).hexdigest()


def vocabulary_checksum(folder: Path) -> str:
    digest = hashlib.sha256()
    for name in ("vocab.json", "merges.txt"):
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()[:16]


def flatten(offsets: Iterable[tuple[int, int]]) -> list[int]:
    """Offsets as distances from the end of the token before, and lengths: mostly 0 and 1, so they pack well."""
    flat, place = [], 0
    for start, end in offsets:
        flat += [start - place, end - start]
        place = end
    return flat


def unflatten(flat: list[int]) -> Offsets:
    offsets, place = [], 0
    for distance, length in zip(flat[::2], flat[1::2], strict=True):
        offsets.append((place + distance, place + distance + length))
        place += distance + length
    return offsets


def write(path: Path, golden: dict[str, Any]) -> None:
    packed = lzma.compress(json.dumps(golden, separators=(",", ":")).encode(), preset=9 | lzma.PRESET_EXTREME)
    unfinished = path.with_name(path.name + ".new")
    unfinished.write_bytes(packed)
    os.replace(unfinished, path)


def read(path: Path) -> dict[str, Any]:
    golden: dict[str, Any] = json.loads(lzma.decompress(path.read_bytes()))
    return golden
