"""The `tokenizers.Tokenizer` behind a tokenizer, and its vocabulary, for callers who reach for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from tokenizers import AddedToken, Tokenizer, models

from bartleby.tokenization.lengths import PaddingStrategy, Side, TruncationStrategy
from bartleby.tokenization.special_tokens import SpecialTokens

# Whether bos comes before a sequence and eos behind it, and the pattern that says so.
SURROUNDED = {(False, False): "none", (True, False): "bos", (False, True): "eos", (True, True): "bos_eos"}


class Backend(SpecialTokens):
    """What a tokenizer tells of its backend, and lets a caller do to it."""

    model: ClassVar[Any] = models.BPE
    """The kind of model the backend has."""
    model_max_length: int
    padding_side: Side
    truncation_side: Side
    pad_token_type_id: int
    adjust_backend: Callable[[], None]

    @property
    def backend_tokenizer(self) -> Tokenizer:
        """The `tokenizers.Tokenizer` itself."""
        return self._tokenizer

    @property
    def decoder(self) -> Any:
        """The part of the backend that makes text of tokens."""
        return self._tokenizer.decoder

    # ---- the vocabulary ------------------------------------------------------------------------------------------

    @property
    def vocab_size(self) -> int:
        """Size of the vocabulary without tokens added behind it; `len()` counts those too."""
        return int(self._tokenizer.get_vocab_size(with_added_tokens=False))

    def get_vocab(self) -> dict[str, int]:
        """Token -> id, added tokens included."""
        return dict(self._tokenizer.get_vocab(with_added_tokens=True))

    @property
    def vocab(self) -> dict[str, int]:
        return self.get_vocab()

    @property
    def encoder(self) -> dict[str, int]:
        """Token -> id, without tokens added behind the vocabulary."""
        return dict(self._tokenizer.get_vocab(with_added_tokens=False))

    @property
    def added_tokens_decoder(self) -> dict[int, AddedToken]:
        """Id -> token, of the tokens that are never split."""
        return dict(sorted(self._tokenizer.get_added_tokens_decoder().items()))

    @property
    def added_tokens_encoder(self) -> dict[str, int]:
        return {token.content: index for index, token in self.added_tokens_decoder.items()}

    def get_added_vocab(self) -> dict[str, int]:
        """Token -> id, of the tokens that are never split."""
        return self.added_tokens_encoder

    # ---- lengths -------------------------------------------------------------------------------------------------

    @property
    def max_len_single_sentence(self) -> int:
        """How many tokens of one text fit beside the special ones."""
        return self.model_max_length - self.num_special_tokens_to_add(False)

    @property
    def max_len_sentences_pair(self) -> int:
        """How many tokens of two texts fit beside the special ones."""
        return self.model_max_length - self.num_special_tokens_to_add(True)

    def set_truncation_and_padding(
        self,
        padding_strategy: PaddingStrategy,
        truncation_strategy: TruncationStrategy,
        max_length: int | None,
        stride: int,
        pad_to_multiple_of: int | None,
        padding_side: Side | None = None,
    ) -> None:
        """Make `backend_tokenizer` itself cut and pad; calls of this tokenizer say for themselves what they want."""
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        if truncation_strategy != TruncationStrategy.DO_NOT_TRUNCATE:
            limit = self.model_max_length if max_length is None else max_length
            strategy = TruncationStrategy(truncation_strategy).value
            self._tokenizer.enable_truncation(limit, stride=stride, strategy=strategy, direction=self.truncation_side)
        if padding_strategy != PaddingStrategy.DO_NOT_PAD:
            self._tokenizer.enable_padding(
                length=max_length if padding_strategy == PaddingStrategy.MAX_LENGTH else None,
                direction=padding_side or self.padding_side,
                pad_id=self.pad_token_id or 0,
                pad_token=str(self.pad_token),
                pad_type_id=self.pad_token_type_id,
                pad_to_multiple_of=pad_to_multiple_of,
            )

    # ---- what surrounds a sequence -------------------------------------------------------------------------------

    def update_post_processor(self) -> None:
        """Bring the backend in line with the special tokens and their pattern; assigning those does it too."""
        self._refresh()

    @property
    def add_bos_token(self) -> bool:
        """Whether the pattern of special tokens is one that begins with bos; assigning chooses such a pattern."""
        return self.special_tokens_pattern in ("bos", "bos_eos")

    @add_bos_token.setter
    def add_bos_token(self, value: bool) -> None:
        if value != self.add_bos_token:
            self.special_tokens_pattern = SURROUNDED[bool(value), self.add_eos_token]

    @property
    def add_eos_token(self) -> bool:
        """Whether the pattern of special tokens is one that ends with eos; assigning chooses such a pattern."""
        return self.special_tokens_pattern in ("eos", "bos_eos")

    @add_eos_token.setter
    def add_eos_token(self, value: bool) -> None:
        if value != self.add_eos_token:
            self.special_tokens_pattern = SURROUNDED[self.add_bos_token, bool(value)]
