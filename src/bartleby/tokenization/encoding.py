"""What a tokenizer answers: a mapping of named rows that still knows where in the text each token stood."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from tokenizers import Encoding

from bartleby.errors import TokenizerError, need_extra


class CharSpan(NamedTuple):
    """Characters `start` to `end` (exclusive) of the text as it was given."""

    start: int
    end: int


class TokenSpan(NamedTuple):
    """Tokens `start` to `end` (exclusive) of an encoded row."""

    start: int
    end: int


class TensorType(StrEnum):
    """`return_tensors=` as a value."""

    NUMPY = "np"
    PYTORCH = "pt"
    TENSORFLOW = "tf"
    JAX = "jax"


class BatchEncoding(UserDict):  # type: ignore[type-arg]
    """`input_ids`, `attention_mask` and what else was asked for, by key or as attributes.

    Behind them, `encodings` (one for each row) answer questions about positions: tokens, words and characters. Those
    questions take a row and an index in it, or the index alone, which then is in row 0. `sequence_index` says which of
    two sequences a word or character is in.
    """

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        encoding: Encoding | Sequence[Encoding] | None = None,
        tensor_type: str | TensorType | None = None,
        prepend_batch_axis: bool = False,
        n_sequences: int | None = None,
    ) -> None:
        super().__init__(data)
        self._encodings = [encoding] if isinstance(encoding, Encoding) else encoding and list(encoding)
        self._n_sequences = n_sequences
        self.convert_to_tensors(tensor_type, prepend_batch_axis)

    def __getitem__(self, item: Any) -> Any:
        """A row set by its name; an Encoding by its number; a slice of every row set by a slice."""
        if isinstance(item, str):
            return self.data[item]
        if isinstance(item, slice):
            return {key: value[item] for key, value in self.data.items()}
        return self._rows()[item]

    def __getattr__(self, name: str) -> Any:
        if name != "data" and name in self.data:
            return self.data[name]
        raise AttributeError(
            f"{type(self).__name__} has no {name!r}; it has {', '.join(self.__dict__.get('data', {}))}."
        )

    def __contains__(self, key: object) -> bool:
        return key in self.data

    def __iter__(self) -> Iterator[str]:
        return iter(self.data)

    @property
    def encodings(self) -> Sequence[Encoding] | None:
        """The rows as the tokenizers library made them; None where only numbers are known."""
        return self._encodings

    @property
    def is_fast(self) -> bool:
        """Whether positions are known."""
        return self._encodings is not None

    @property
    def n_sequences(self) -> int | None:
        """1, or 2 where each row is made of a pair."""
        if self._n_sequences is None and self._encodings:
            self._n_sequences = self._encodings[0].n_sequences
        return self._n_sequences

    def _rows(self) -> Sequence[Encoding]:
        if self._encodings is None:
            raise TokenizerError("Positions are unknown: this BatchEncoding was made of ids, not of text.")
        return self._encodings

    # ---- whole rows ----------------------------------------------------------------------------------------------

    def tokens(self, batch_index: int = 0) -> list[str]:
        """The tokens of a row as strings."""
        return list(self._rows()[batch_index].tokens)

    def sequence_ids(self, batch_index: int = 0) -> list[int | None]:
        """For each token, the sequence it is of (0 or 1); None for special tokens."""
        return list(self._rows()[batch_index].sequence_ids)

    def word_ids(self, batch_index: int = 0) -> list[int | None]:
        """For each token, the number of its word in its sequence; None for special tokens."""
        return list(self._rows()[batch_index].word_ids)

    words = word_ids

    # ---- positions -----------------------------------------------------------------------------------------------

    def _locate(self, row_or_index: int, index: int | None) -> tuple[Encoding, int]:
        row, index = (0, row_or_index) if index is None else (row_or_index, index)
        return self._rows()[row], index

    def _locate_token(self, row_or_token: int, token: int | None) -> tuple[Encoding, int]:
        encoding, token = self._locate(row_or_token, token)
        return encoding, token + len(encoding) if token < 0 else token

    def token_to_sequence(self, batch_or_token_index: int, token_index: int | None = None) -> int | None:
        """The sequence (0 or 1) a token is of."""
        encoding, token = self._locate_token(batch_or_token_index, token_index)
        return encoding.token_to_sequence(token)

    def token_to_word(self, batch_or_token_index: int, token_index: int | None = None) -> int | None:
        """The number of the word a token is of."""
        encoding, token = self._locate_token(batch_or_token_index, token_index)
        found = encoding.token_to_word(token)
        return found if found is None or isinstance(found, int) else found[-1]

    def token_to_chars(self, batch_or_token_index: int, token_index: int | None = None) -> CharSpan | None:
        """The characters a token stands for."""
        encoding, token = self._locate_token(batch_or_token_index, token_index)
        found = encoding.token_to_chars(token)
        return None if found is None else CharSpan(*found)

    def word_to_tokens(
        self, batch_or_word_index: int, word_index: int | None = None, sequence_index: int = 0
    ) -> TokenSpan | None:
        """The tokens of a word."""
        encoding, word = self._locate(batch_or_word_index, word_index)
        found = encoding.word_to_tokens(word, sequence_index)
        return None if found is None else TokenSpan(*found)

    def word_to_chars(
        self, batch_or_word_index: int, word_index: int | None = None, sequence_index: int = 0
    ) -> CharSpan | None:
        """The characters of a word."""
        encoding, word = self._locate(batch_or_word_index, word_index)
        found = encoding.word_to_chars(word, sequence_index)
        return None if found is None else CharSpan(*found)

    def char_to_token(
        self, batch_or_char_index: int, char_index: int | None = None, sequence_index: int = 0
    ) -> int | None:
        """The token a character is in."""
        encoding, char = self._locate(batch_or_char_index, char_index)
        return encoding.char_to_token(char, sequence_index)

    def char_to_word(
        self, batch_or_char_index: int, char_index: int | None = None, sequence_index: int = 0
    ) -> int | None:
        """The number of the word a character is in."""
        encoding, char = self._locate(batch_or_char_index, char_index)
        return encoding.char_to_word(char, sequence_index)

    # ---- tensors -------------------------------------------------------------------------------------------------

    def convert_to_tensors(
        self, tensor_type: str | TensorType | None = None, prepend_batch_axis: bool = False
    ) -> BatchEncoding:
        """Turn every value into a tensor of one framework, in place.

        Raises: TokenizerError naming the rows that differ in length.
        """
        if tensor_type is not None:
            self.data = as_tensors(self.data, tensor_type, prepend_batch_axis)
        return self

    def to(self, device: Any, *, non_blocking: bool = False) -> BatchEncoding:
        """Move PyTorch tensors to a device, in place."""
        for key, value in self.data.items():
            if callable(getattr(value, "to", None)):
                self.data[key] = value.to(device=device, non_blocking=non_blocking)
        return self


def as_tensors(
    values: Mapping[str, Any], framework: str | TensorType, prepend_batch_axis: bool = False
) -> dict[str, Any]:
    """Lists of numbers as tensors: 64-bit integers, but 32-bit where that is the framework's own (tf, jax)."""
    try:
        kind = TensorType(framework)
    except ValueError:
        known = ", ".join(repr(member.value) for member in TensorType)
        raise TokenizerError(f"`return_tensors` must be one of {known}, but is {framework!r}.") from None
    arrays = {key: as_array(key, [value] if prepend_batch_axis else value) for key, value in values.items()}
    if kind is TensorType.NUMPY:
        return arrays
    if kind is TensorType.PYTORCH:
        need_extra("torch", "return_tensors='pt'")
        torch = import_module("torch")
        return {key: torch.from_numpy(array) for key, array in arrays.items()}
    narrow = {key: array.astype(np.int32) if array.dtype == np.int64 else array for key, array in arrays.items()}
    if kind is TensorType.JAX:
        need_extra("flax", "return_tensors='jax'")
        jnp = import_module("jax.numpy")
        return {key: jnp.asarray(array) for key, array in narrow.items()}
    need_extra("tensorflow", "return_tensors='tf'")
    tf = import_module("tensorflow")
    return {key: tf.constant(array) for key, array in narrow.items()}


def as_array(name: str, value: Any) -> npt.NDArray[Any]:
    """Nested lists, or a tensor of any framework on the CPU, as one array of numbers.

    Raises: TokenizerError for rows that differ in length.
    """
    try:
        array = np.asarray(value)
    except ValueError:
        array = np.empty(0, dtype=object)
    if array.dtype.kind not in "biuf":
        lengths = sorted({len(row) for row in value if hasattr(row, "__len__")}) if array.size != 1 else []
        why = (
            f"its rows differ in length ({lengths[0]} to {lengths[-1]} tokens)"
            if len(lengths) > 1
            else "it is no numbers"
        )
        raise TokenizerError(
            f"`{name}` cannot become a tensor: {why}. Ask for padding=True, and truncation=True to cap it."
        )
    if array.size == 0 or array.dtype.kind in "iu":
        return array.astype(np.int64)
    return array
