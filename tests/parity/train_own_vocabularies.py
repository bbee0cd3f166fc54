"""Trains the small vocabularies under goldens/tokenizers/own, so that the default tests need no published one.

Trained on strings from another seed than the tested ones. Goldens belong to a vocabulary: make them anew afterwards.
Blenderbot-Small's is as its makers' tool leaves one: pieces that only lead to longer ones are not in vocab.json.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

from tokenizer_goldens import OWN_VOCABULARIES
from tokenizer_texts import make_texts
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

TRAINING_SEED = 7
LAYOUTS = {
    "bart": (("<s>", "<pad>", "</s>", "<unk>"), ("<mask>",)),
    "blenderbot": (("<pad>", "<s>", "</s>", "<unk>"), ()),  # published without <mask>
}


def byte_level(texts: list[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """The pieces, ids in order, and the merges."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=560, initial_alphabet=alphabet, show_progress=False)
    )
    return pieces_and_merges(tokenizer)


def ended_words(texts: list[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """Pieces and merges where a word's last piece ends in `</w>`, over lower-cased words; learned as `__newln__` is."""
    lines = [re.sub(r"([.,!?()'])", r" \1 ", text.lower()).replace("\n", " __newln__ ") for text in texts]
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.BpeTrainer(vocab_size=480, end_of_word_suffix="</w>", limit_alphabet=90, show_progress=False)
    tokenizer.train_from_iterator(lines, trainer)
    _, merges = pieces_and_merges(tokenizer)
    used = Counter(token for encoding in tokenizer.encode_batch(lines) for token in encoding.tokens)
    pieces = [token for token, count in sorted(used.items(), key=lambda item: (-item[1], item[0])) if count > 1]
    return pieces, merges


def pieces_and_merges(tokenizer: Tokenizer) -> tuple[list[str], list[tuple[str, str]]]:
    model = json.loads(tokenizer.to_str())["model"]
    merges = [tuple(merge.split(" ")) if isinstance(merge, str) else tuple(merge) for merge in model["merges"]]
    return sorted(model["vocab"], key=model["vocab"].get), merges


def published_name(piece: str) -> str:
    return piece[: -len("</w>")] if piece.endswith("</w>") else piece + "@@"


def save(folder: Path, pieces: list[str], merges: list[tuple[str, str]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {piece: index for index, piece in enumerate(dict.fromkeys(pieces))}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False) + "\n", encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(merge) for merge in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    training_texts = make_texts(3000, seed=TRAINING_SEED)
    byte_pieces, byte_merges = byte_level(training_texts)
    for kind, (first, last) in LAYOUTS.items():
        save(OWN_VOCABULARIES / kind, [*first, *byte_pieces, *last], byte_merges)
    word_pieces, word_merges = ended_words(training_texts)
    first = ("__null__", "__start__", "__end__", "__unk__", "__newln__")
    save(OWN_VOCABULARIES / "blenderbot_small", [*first, *map(published_name, word_pieces)], word_merges)
