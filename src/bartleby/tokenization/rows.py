"""From texts to encoded rows: what a call asks for, and the pass through the tokenizers library that carries it out.

The shared Rust tokenizer is never told to truncate or pad: that would be state that concurrent calls fight over. Texts
are encoded bare; cutting, special tokens and padding are applied to each encoding afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Protocol, TypedDict

from tokenizers import Encoding, Tokenizer, processors

from bartleby.errors import TextError, TokenizerError
from bartleby.tokenization.files import no_panic
from bartleby.tokenization.lengths import Lengths, PaddingStrategy, Side, TruncationStrategy, truncate

PLAIN = processors.TemplateProcessing(single="$A", pair="$A $B:1", special_tokens=[])
Text = str | Sequence[str]
"""A text, or the words of one that is already split."""


class CallOptions(TypedDict, total=False):
    """The published keywords of a call, for methods that hand them on."""

    add_special_tokens: bool
    padding: bool | str | PaddingStrategy
    truncation: bool | str | TruncationStrategy | None
    max_length: int | None
    stride: int
    is_split_into_words: bool
    pad_to_multiple_of: int | None
    padding_side: Side | None
    return_tensors: Any
    return_token_type_ids: bool | None
    return_attention_mask: bool | None
    return_overflowing_tokens: bool
    return_special_tokens_mask: bool
    return_offsets_mapping: bool
    return_length: bool
    verbose: bool
    add_prefix_space: bool | None
    split_special_tokens: bool | None
    pad_to_max_length: bool | None  # older names of padding="max_length" and of truncation
    truncation_strategy: str | TruncationStrategy | None
    tokenizer_kwargs: dict[str, Any] | None


@dataclass(frozen=True)
class Request:
    """One call's options, checked."""

    lengths: Lengths = field(default_factory=Lengths)
    add_special_tokens: bool = True
    is_split_into_words: bool = False
    padding_side: Side = "right"
    truncation_side: Side = "right"
    return_tensors: Any = None
    return_token_type_ids: bool = False
    return_attention_mask: bool = True
    return_overflowing_tokens: bool = False
    return_special_tokens_mask: bool = False
    return_offsets_mapping: bool = False
    return_length: bool = False
    verbose: bool = True

    def columns(self, rows: Sequence[Encoding], second_type: int | None = None) -> dict[str, list[Any]]:
        """The asked-for columns of encoded rows, in their published order; `second_type` is that of a second text."""
        wanted = (
            ("input_ids", "ids", True),
            ("token_type_ids", "type_ids", self.return_token_type_ids),
            ("attention_mask", "attention_mask", self.return_attention_mask),
            ("special_tokens_mask", "special_tokens_mask", self.return_special_tokens_mask),
            ("offset_mapping", "offsets", self.return_offsets_mapping),
        )
        columns = {name: [getattr(row, attribute) for row in rows] for name, attribute, asked in wanted if asked}
        if self.return_token_type_ids and second_type is not None:
            # The library gives types to the first row of a text only, not to those it overflows into.
            columns["token_type_ids"] = [
                [
                    second_type if sequence == 1 else kind
                    for kind, sequence in zip(row.type_ids, row.sequence_ids, strict=True)
                ]
                for row in rows
            ]
        return {**columns, "length": [len(row) for row in rows]} if self.return_length else columns


class TextEncoder(Protocol):
    """What encodes bare texts: a `tokenizers.Tokenizer`, or something in front of one."""

    def encode_batch(
        self, input: Sequence[Any], is_pretokenized: bool = False, add_special_tokens: bool = True
    ) -> list[Encoding]:
        """An encoding for each text, or for each list of words."""
        ...


@dataclass(frozen=True)
class Pipeline:
    """The parts of a tokenizer that rows are made with."""

    tokenizer: TextEncoder
    joiner: Any  # the post-processor: it puts special tokens around one encoding, or around and between two
    special_tokens: tuple[int, int]  # how many stand around one sequence, and around two

    def encode(
        self, texts: Sequence[Text], pairs: Sequence[Text] | None, request: Request
    ) -> tuple[list[Encoding], list[int]]:
        """The rows of a batch and, for each row, the number of its text; a text may overflow into several rows."""
        firsts = bare(self.tokenizer, texts, "text", request.is_split_into_words)
        seconds: Sequence[Encoding | None] = [None] * len(firsts)
        if pairs is not None:
            seconds = bare(self.tokenizer, pairs, "text_pair", request.is_split_into_words)
        rows: list[Encoding] = []
        samples: list[int] = []
        for sample, (first, second) in enumerate(zip(firsts, seconds, strict=True)):
            self.shorten(first, second, request)
            row = self.joiner.process(first, second, request.add_special_tokens)
            made = [row, *row.overflowing] if request.return_overflowing_tokens else [row]
            rows += made
            samples += [sample] * len(made)
        return rows, samples

    def shorten(self, first: Encoding, second: Encoding | None, request: Request) -> None:
        """Cut one or two bare encodings so that they and their special tokens fit the asked-for length.

        Raises: TokenizerError when the special tokens alone are longer than that.
        """
        limit = request.lengths.max_length
        if limit is None or not request.lengths.truncates:
            return
        reserved = self.special_tokens[second is not None] if request.add_special_tokens else 0
        if limit < reserved:
            raise TokenizerError(
                f"`max_length` must be at least {reserved}, the special tokens' number, but is {limit}."
            )
        truncate(first, second, limit - reserved, request.lengths, request.truncation_side)


@dataclass(frozen=True)
class Unjoinable:
    """In the place of a post-processor whose special tokens are not all set: it refuses to add them."""

    fault: str

    def process(self, first: Encoding, second: Encoding | None, add_special_tokens: bool) -> Encoding:
        """One encoding, or one behind the other.

        Raises: TokenizerError if special tokens are to be added.
        """
        if add_special_tokens:
            raise TokenizerError(self.fault)
        joined: Encoding = PLAIN.process(first, second, False)
        return joined


def without_post_processor(tokenizer: Tokenizer) -> Tokenizer:
    """A tokenizer that shares the model of another and only encodes.

    What a post-processor has been through cannot be joined with a second sequence: it already says it is the first.
    """
    made = Tokenizer(tokenizer.model)
    if tokenizer.normalizer is not None:
        made.normalizer = tokenizer.normalizer
    if tokenizer.pre_tokenizer is not None:
        made.pre_tokenizer = tokenizer.pre_tokenizer
    made.encode_special_tokens = tokenizer.encode_special_tokens
    added = sorted(tokenizer.get_added_tokens_decoder().items())
    for special, run in groupby((token for _, token in added), key=lambda token: token.special):
        (made.add_special_tokens if special else made.add_tokens)(list(run))
    if made.get_added_tokens_decoder().keys() != dict(added).keys():
        raise TokenizerError("The vocabulary has gaps between its ids, so that added tokens have no place behind it.")
    return made


def bare(tokenizer: TextEncoder, texts: Sequence[Text], name: str, split: bool) -> list[Encoding]:
    """The texts encoded without special tokens.

    Raises: TextError naming the first text that is no text.
    """
    try:
        with no_panic("on encoding"):
            return list(tokenizer.encode_batch(texts, is_pretokenized=split, add_special_tokens=False))
    except TypeError:
        raise TextError(what_is_wrong(texts, name, split)) from None


def what_is_wrong(texts: Sequence[Any], name: str, split: bool) -> str:
    """Why the tokenizers library refused `texts`: the first one that is no text, or holds half of a character."""
    for number, text in enumerate(texts):
        words = list(text) if split and isinstance(text, list | tuple) else [text]
        for word in words:
            if not isinstance(word, str):
                wanted = "a list of words (strings)" if split else "a string"
                return f"`{name}` number {number} must be {wanted}, but holds {word!r} ({type(word).__name__})."
            try:
                word.encode()
            except UnicodeEncodeError as error:
                half = f"{word[error.start]!r} at character {error.start}, half of a surrogate pair"
                remedy = "text.encode('utf-16', 'surrogatepass').decode('utf-16', 'replace')"
                return f"`{name}` number {number} is no text: it holds {half}. Replace it: {remedy}"
    return f"`{name}` must be strings, but is {texts!r:.200}."


def pad_rows(rows: Sequence[Encoding], request: Request, pad_id: int | None, pad_token: str | None) -> None:
    """Pad encoded rows, in place, as the request says.

    Raises: TokenizerError without a pad token.
    """
    if request.lengths.padding is PaddingStrategy.DO_NOT_PAD or not rows:
        return
    if pad_id is None or pad_token is None:
        raise TokenizerError("Padding needs a pad token. Set one: tokenizer.pad_token = tokenizer.eos_token")
    length = request.lengths.padded_length(max(len(row) for row in rows))
    for row in rows:
        row.pad(length, direction=request.padding_side, pad_id=pad_id, pad_token=pad_token)
