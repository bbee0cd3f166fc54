"""A vocabulary of one's own: byte-pair merges learnt from texts for a backend like an existing one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from tokenizers import AddedToken, Tokenizer, pre_tokenizers, trainers

from bartleby.errors import TokenizerError


def train_backend(
    like: Tokenizer,
    texts: Iterable[str] | Iterable[Sequence[str]],
    vocab_size: int,
    special_tokens: Sequence[AddedToken],
    length: int | None,
    trainer_options: dict[str, Any],
) -> Tokenizer:
    """A backend that splits text as `like` does, with a vocabulary and merges learnt from the texts.

    Raises: TokenizerError when `vocab_size` does not hold the special tokens and the alphabet.
    """
    data = json.loads(like.to_str())
    data["added_tokens"], data["post_processor"] = [], None
    data["model"]["vocab"], data["model"]["merges"] = {}, []
    options: dict[str, Any] = {"show_progress": False}
    for key in ("continuing_subword_prefix", "end_of_word_suffix"):
        if data["model"].get(key):
            options[key] = data["model"][key]
    if has_byte_level(data["pre_tokenizer"]):
        options["initial_alphabet"] = pre_tokenizers.ByteLevel.alphabet()
    options |= trainer_options
    least = len(special_tokens) + len(options.get("initial_alphabet", []))
    if vocab_size < least:
        raise TokenizerError(
            f"`vocab_size` must be at least {least} ({len(special_tokens)} special tokens and an alphabet of "
            f"{least - len(special_tokens)} symbols), but is {vocab_size}."
        )
    trained = Tokenizer.from_str(json.dumps(data))
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, special_tokens=list(special_tokens), **options)
    trained.train_from_iterator(texts, trainer=trainer, length=length)
    return trained


def has_byte_level(pre_tokenizer: dict[str, Any] | None) -> bool:
    """Whether a pre-tokenizer, as tokenizer.json describes it, turns text into byte symbols."""
    if pre_tokenizer is None:
        return False
    parts = pre_tokenizer.get("pretokenizers", [pre_tokenizer])
    return any(part["type"] == "ByteLevel" for part in parts)
