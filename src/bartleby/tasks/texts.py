"""Texts as a model reads and writes them: ids of the text alone, within a limit, with their end, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bartleby.tokenization.base import PreTrainedTokenizer


def encode(
    tokenizer: PreTrainedTokenizer, texts: Sequence[str], pairs: Sequence[str] | None = None, **options: Any
) -> list[list[int]]:
    """The ids of texts, or of pairs of texts, as long as they are.

    What looks like a special token in a text is text: a `</s>` in the middle would end a target, and a label is read
    off the last one.
    """
    if not texts:
        return []
    given = list(texts), None if pairs is None else list(pairs)
    ids: list[list[int]] = tokenizer(
        *given, split_special_tokens=True, return_attention_mask=False, verbose=False, **options
    )["input_ids"]
    return ids


def encode_within(
    tokenizer: PreTrainedTokenizer, texts: Sequence[str], most: int, pairs: Sequence[str] | None = None
) -> list[tuple[list[int], bool]]:
    """The ids of texts (or pairs), cut to `most` behind, and whether they were; of a pair the longer text is cut."""
    whole = encode(tokenizer, texts, pairs)
    long = [place for place, ids in enumerate(whole) if len(ids) > most]
    if long:
        again = [texts[place] for place in long], None if pairs is None else [pairs[place] for place in long]
        for place, ids in zip(long, encode(tokenizer, *again, truncation=True, max_length=most), strict=True):
            whole[place] = ids
    cut = set(long)
    return [(ids, place in cut) for place, ids in enumerate(whole)]


def ended(tokenizer: PreTrainedTokenizer, ids: list[int]) -> list[int]:
    """A target with its end, which the tokenizer of Blenderbot-Small does not add: a model must learn to stop."""
    end = tokenizer.eos_token_id
    return ids if end is None or ids[-1:] == [end] else [*ids, end]


def text_of(tokenizer: PreTrainedTokenizer, ids: Sequence[int]) -> str:
    """What was written, without special tokens."""
    return str(tokenizer.decode(list(ids), skip_special_tokens=True)).strip()
