"""The way back: from ids to tokens to text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, overload

from bartleby.errors import TokenizerError
from bartleby.tokenization.files import no_panic
from bartleby.tokenization.special_tokens import SpecialTokens

LARGEST_ID = 1 << 32
"""What the tokenizers library can count to."""

# English punctuation and contractions that the published clean-up pulls to the word before, in its order.
CLEAN_UP = (
    (" .", "."),
    (" ?", "?"),
    (" !", "!"),
    (" ,", ","),
    (" ' ", "'"),
    (" n't", "n't"),
    (" 'm", "'m"),
    (" 's", "'s"),
    (" 've", "'ve"),
    (" 're", "'re"),
)


class Decoding(SpecialTokens):
    """The half of a tokenizer that reads ids."""

    clean_up_tokenization_spaces: bool

    @overload
    def convert_tokens_to_ids(self, tokens: str) -> int: ...  # type: ignore[overload-overlap]
    @overload
    def convert_tokens_to_ids(self, tokens: Iterable[str]) -> list[int]: ...
    def convert_tokens_to_ids(self, tokens: str | Iterable[str]) -> int | list[int]:
        """The id of a token, or of each of several; of unk for those the vocabulary lacks."""
        if not isinstance(tokens, str):
            return [self.convert_tokens_to_ids(token) for token in tokens]
        found = self._tokenizer.token_to_id(tokens)
        if found is None:
            found = self.unk_token_id
        if found is None:
            raise TokenizerError(f"{tokens!r} is not in the vocabulary, and there is no `unk_token` to stand for it.")
        return found

    @overload
    def convert_ids_to_tokens(self, ids: int, skip_special_tokens: bool = False) -> str | None: ...
    @overload
    def convert_ids_to_tokens(self, ids: Iterable[int], skip_special_tokens: bool = False) -> list[str | None]: ...
    def convert_ids_to_tokens(
        self, ids: int | Iterable[int], skip_special_tokens: bool = False
    ) -> str | list[str | None] | None:
        """The token of an id, or of each of several; None where there is none."""
        if isinstance(ids, int):
            return self._token_of(ids)
        if getattr(ids, "ndim", None) == 0:  # a number of NumPy's or of a framework's
            return self._token_of(whole_number(ids))
        skipped = set(self.all_special_ids) if skip_special_tokens else set()
        return [self._token_of(int(index)) for index in ids if int(index) not in skipped]

    def _token_of(self, index: int) -> str | None:
        return self._tokenizer.id_to_token(index) if 0 <= index < LARGEST_ID else None

    def convert_tokens_to_string(self, tokens: Sequence[str]) -> str:
        """The text that tokens stand for."""
        decoder = self._tokenizer.decoder
        return " ".join(tokens) if decoder is None else str(decoder.decode(list(tokens)))

    def decode(
        self,
        token_ids: Any,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
        **kwargs: Any,
    ) -> Any:
        """The text of ids: one id, a list, an array or a tensor; a list of texts for a list of lists.

        `clean_up_tokenization_spaces` removes spaces before English punctuation; None: as the tokenizer is set.
        Raises: TokenizerError for ids that no token has, such as the -100 of labels.
        """
        refuse_unknown(kwargs)
        ids = plain_ids(token_ids)
        if ids and isinstance(ids[0], list):
            return [self.decode(row, skip_special_tokens, clean_up_tokenization_spaces) for row in ids]
        self._check_ids(ids)
        text = self._ids_to_text(ids, skip_special_tokens)
        clean = (
            self.clean_up_tokenization_spaces if clean_up_tokenization_spaces is None else clean_up_tokenization_spaces
        )
        return self.clean_up_tokenization(text) if clean else text

    def batch_decode(
        self,
        sequences: Any,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """The text of each row of ids."""
        refuse_unknown(kwargs)
        rows = sequences["input_ids"] if isinstance(sequences, Mapping) else sequences
        return [self.decode(row, skip_special_tokens, clean_up_tokenization_spaces) for row in rows]

    def _ids_to_text(self, ids: list[int], skip_special_tokens: bool) -> str:
        with no_panic("on decoding"):
            return str(self._tokenizer.decode(ids, skip_special_tokens=skip_special_tokens))

    def _check_ids(self, ids: Sequence[int]) -> None:
        size = len(self)
        unknown = [index for index in ids if index < 0 or (index >= size and not self._token_of(index))]
        if unknown:
            hint = "Replace -100 (ignored labels) by tokenizer.pad_token_id first." if min(unknown) < 0 else ""
            few = ", ".join(map(str, sorted(set(unknown))[:10]))
            raise TokenizerError(f"The vocabulary of {len(self)} tokens has no token with id {few}. {hint}".rstrip())

    @staticmethod
    def clean_up_tokenization(out_string: str) -> str:
        """Pull English punctuation and contractions to the word before them."""
        for spaced, tight in CLEAN_UP:
            out_string = out_string.replace(spaced, tight)
        return out_string


def plain_ids(token_ids: Any) -> list[Any]:
    """Ids as nested lists of Python integers: from an integer, lists, arrays, tensors, or an encoding."""
    if isinstance(token_ids, Mapping):
        token_ids = token_ids["input_ids"]
    if callable(getattr(token_ids, "tolist", None)):
        token_ids = token_ids.tolist()
    elif callable(getattr(token_ids, "numpy", None)):
        token_ids = token_ids.numpy().tolist()
    if isinstance(token_ids, int):
        return [token_ids]
    if isinstance(token_ids, str) or not isinstance(token_ids, Iterable):
        raise TokenizerError(f"`token_ids` must be an id or a list of ids, but is {token_ids!r:.100}.")
    ids = list(token_ids)
    if any(isinstance(item, list | tuple) for item in ids):
        return [plain_ids(item) for item in ids]
    return [item if type(item) is int else whole_number(item) for item in ids]


def whole_number(value: Any) -> int:
    """A Python integer from any kind of one.

    Raises: TokenizerError for anything else.
    """
    try:
        return int(value.__index__())
    except (AttributeError, TypeError):
        raise TokenizerError(f"`token_ids` must hold integers, but holds {value!r:.100}.") from None


def refuse_unknown(options: Mapping[str, Any]) -> None:
    """The keywords older releases accept and do not use are accepted; others are mistakes."""
    unknown = options.keys() - {"use_source_tokenizer", "spaces_between_special_tokens"}
    if unknown:
        known = "skip_special_tokens, clean_up_tokenization_spaces"
        raise TokenizerError(f"decode has no option {', '.join(sorted(unknown))}; it has {known}.")
