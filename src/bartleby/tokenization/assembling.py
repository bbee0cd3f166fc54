"""Sequences of ids with their special tokens, for callers who have ids rather than text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from bartleby.errors import TextError, TokenizerError
from bartleby.tokenization.calling import Calling
from bartleby.tokenization.decoding import Decoding
from bartleby.tokenization.encoding import BatchEncoding
from bartleby.tokenization.lengths import PaddingStrategy, TruncationStrategy, kept_sizes, strategy
from bartleby.tokenization.rows import CallOptions

Ids = Sequence[int]


class Assembling(Calling, Decoding):
    """The doors of a tokenizer that take ids of plain sequences."""

    def build_inputs_with_special_tokens(self, token_ids_0: Ids, token_ids_1: Ids | None = None) -> list[int]:
        """One or two sequences as `special_tokens_pattern` lays them out."""
        return [index for index, _, _ in self._laid_out(token_ids_0, token_ids_1)]

    def create_token_type_ids_from_sequences(self, token_ids_0: Ids, token_ids_1: Ids | None = None) -> list[int]:
        """A type for each id that `build_inputs_with_special_tokens` gives."""
        return [kind for _, kind, _ in self._laid_out(token_ids_0, token_ids_1)]

    def get_special_tokens_mask(
        self, token_ids_0: Ids, token_ids_1: Ids | None = None, already_has_special_tokens: bool = False
    ) -> list[int]:
        """1 for special tokens, 0 for others: of the laid-out sequences, or of ids that are laid out already."""
        if not already_has_special_tokens:
            return [mask for _, _, mask in self._laid_out(token_ids_0, token_ids_1)]
        if token_ids_1 is not None:
            raise TokenizerError(
                "`token_ids_1` must be None with already_has_special_tokens=True: they are in one list."
            )
        special = set(self.all_special_ids)
        return [int(index in special) for index in token_ids_0]

    def _laid_out(self, first: Ids, second: Ids | None) -> list[tuple[int, int, int]]:
        """Each id with its type and whether it is a special token."""
        if lacking := self.lacking_tokens():
            raise TokenizerError(lacking)
        laid: list[tuple[int, int, int]] = []
        for name, kind in self.template(second is not None):
            if name == "$A":
                laid += [(index, kind, 0) for index in first]
            elif name == "$B":
                laid += [(index, kind, 0) for index in second or []]
            else:
                laid.append((getattr(self, f"{name}_token_id"), kind, 1))
        return laid

    def encode_plus(self, text: Any, text_pair: Any = None, **options: Unpack[CallOptions]) -> BatchEncoding:
        """Encode one text, alone or with a second one; the options are those of a call.

        A list is taken for tokens, or for ids (with `is_split_into_words`, for words).
        """
        if isinstance(text, list | tuple) and not options.get("is_split_into_words"):
            pair = None if text_pair is None else self._as_ids(text_pair)
            return self.prepare_for_model(self._as_ids(text), pair, prepend_batch_axis=True, **options)
        return super().encode_plus(text, text_pair, **options)

    def _as_ids(self, tokens: Any) -> list[int]:
        if isinstance(tokens, str):
            return self._encode_rows([tokens], None, {"add_special_tokens": False}, single=True)["input_ids"]  # type: ignore[no-any-return]
        wrong = [item for item in tokens if not isinstance(item, str | int)]
        if wrong:
            raise TextError(f"`text` must be a string, or a list of tokens or ids, but holds {wrong[0]!r:.100}.")
        return [item if isinstance(item, int) else self.convert_tokens_to_ids(item) for item in tokens]

    def prepare_for_model(
        self, ids: Ids, pair_ids: Ids | None = None, prepend_batch_axis: bool = False, **options: Unpack[CallOptions]
    ) -> BatchEncoding:
        """What a call answers, from ids of plain sequences; `overflowing_tokens`, if asked for, are those cut off."""
        _, request = self._request(options)
        added = self.num_special_tokens_to_add(pair_ids is not None) if request.add_special_tokens else 0
        total = len(ids) + len(pair_ids or []) + added
        limit = request.lengths.max_length
        overflow: list[int] = []
        if request.lengths.truncates and limit is not None and total > limit:
            cut = request.lengths.truncation
            ids, pair_ids, overflow = self.truncate_sequences(ids, pair_ids, total - limit, cut, request.lengths.stride)
        columns: dict[str, Any] = {}
        if request.return_overflowing_tokens:
            columns |= {"overflowing_tokens": overflow, "num_truncated_tokens": total - limit if limit else 0}
        plain = [(index, 0, 0) for index in [*ids, *(pair_ids or [])]]
        laid = self._laid_out(ids, pair_ids) if request.add_special_tokens else plain
        columns["input_ids"] = [index for index, _, _ in laid]
        if request.return_token_type_ids:
            columns["token_type_ids"] = [kind for _, kind, _ in laid]
        if request.return_special_tokens_mask:
            columns["special_tokens_mask"] = [mask for _, _, mask in laid]
        padded = self.pad(
            columns,
            padding=request.lengths.padding,
            max_length=limit if request.lengths.padding is PaddingStrategy.MAX_LENGTH else None,
            pad_to_multiple_of=request.lengths.pad_to_multiple_of,
            padding_side=request.padding_side,
            return_attention_mask=request.return_attention_mask,
        )
        if request.return_length:
            padded["length"] = len(padded["input_ids"])
        return BatchEncoding(padded.data, tensor_type=request.return_tensors, prepend_batch_axis=prepend_batch_axis)

    def truncate_sequences(
        self,
        ids: Ids,
        pair_ids: Ids | None = None,
        num_tokens_to_remove: int = 0,
        truncation_strategy: str | TruncationStrategy = "longest_first",
        stride: int = 0,
    ) -> tuple[list[int], list[int] | None, list[int]]:
        """The sequences without `num_tokens_to_remove` ids, and the ids cut off with `stride` more before them.

        Two sequences that both lose ids leave no overflow.
        """
        first, second = list(ids), None if pair_ids is None else list(pair_ids)
        cut = strategy(truncation_strategy, TruncationStrategy, {True: "longest_first", False: "do_not_truncate"})
        if num_tokens_to_remove <= 0 or cut is TruncationStrategy.DO_NOT_TRUNCATE:
            return first, second, []
        sizes = [len(first), len(second or [])]
        keep = kept_sizes(sizes, sum(sizes) - num_tokens_to_remove, cut, second is not None)
        overflow: list[list[int]] = []
        kept: list[list[int]] = []
        for sequence, goal in zip((first, second or []), keep, strict=True):
            from_left = self.truncation_side == "left"
            kept.append(sequence[len(sequence) - goal :] if from_left else sequence[:goal])
            if goal < len(sequence):
                reach = len(sequence) - goal + stride
                overflow.append(sequence[:reach] if from_left else sequence[max(0, len(sequence) - reach) :])
        shown = overflow[0] if len(overflow) == 1 else []
        return kept[0], None if second is None else kept[1], shown
