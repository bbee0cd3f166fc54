"""The way in: from texts to rows of ids, through every published door."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any, Self, Unpack

from bartleby.errors import TextError, TokenizerError
from bartleby.tokenization.encoding import BatchEncoding
from bartleby.tokenization.lengths import PaddingStrategy, Side, TruncationStrategy, resolve_lengths
from bartleby.tokenization.padding import pad_columns
from bartleby.tokenization.rows import CallOptions, Pipeline, Request, Text, pad_rows
from bartleby.tokenization.special_tokens import SpecialTokens

logger = logging.getLogger(__name__)

CALL_OPTIONS = frozenset(CallOptions.__annotations__)


class Calling(SpecialTokens):
    """The half of a tokenizer that makes ids."""

    model_input_names: list[str]
    model_max_length: int
    padding_side: Side
    truncation_side: Side
    is_fast: bool
    verbose: bool
    pad_token_type_id: int
    _pipeline: Pipeline
    _warned_too_long: bool

    def _variant(self, add_prefix_space: bool | None, split_special_tokens: bool | None) -> Self:
        raise NotImplementedError

    def __call__(
        self,
        text: Any = None,
        text_pair: Any = None,
        text_target: Any = None,
        text_pair_target: Any = None,
        add_special_tokens: bool = True,
        padding: bool | str | PaddingStrategy = False,
        truncation: bool | str | TruncationStrategy | None = None,
        max_length: int | None = None,
        stride: int = 0,
        is_split_into_words: bool = False,
        pad_to_multiple_of: int | None = None,
        padding_side: Side | None = None,
        return_tensors: Any = None,
        return_token_type_ids: bool | None = None,
        return_attention_mask: bool | None = None,
        return_overflowing_tokens: bool = False,
        return_special_tokens_mask: bool = False,
        return_offsets_mapping: bool = False,
        return_length: bool = False,
        verbose: bool = True,
        tokenizer_kwargs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> BatchEncoding:
        """Encode a text or a list of texts, each alone or with a second one.

        With `is_split_into_words` a text is a list of words. `text_target` is encoded too and becomes `labels`; alone,
        it is the answer. `padding`: True or "longest", "max_length"; `truncation`: True or "longest_first",
        "only_first", "only_second". Nothing is cut unless that or `max_length` is given. `stride` tokens are repeated
        where a text goes on in the next row (`return_overflowing_tokens`).
        Raises: TokenizerError for input that is no text and for options that do not fit together.
        """
        options: CallOptions = {
            "add_special_tokens": add_special_tokens,
            "padding": padding,
            "truncation": truncation,
            "max_length": max_length,
            "stride": stride,
            "is_split_into_words": is_split_into_words,
            "pad_to_multiple_of": pad_to_multiple_of,
            "padding_side": padding_side,
            "return_tensors": return_tensors,
            "return_token_type_ids": return_token_type_ids,
            "return_attention_mask": return_attention_mask,
            "return_overflowing_tokens": return_overflowing_tokens,
            "return_special_tokens_mask": return_special_tokens_mask,
            "return_offsets_mapping": return_offsets_mapping,
            "return_length": return_length,
            "verbose": verbose,
            "tokenizer_kwargs": tokenizer_kwargs,
        }
        options.update(kwargs)  # type: ignore[typeddict-item]
        if text is None and text_target is None:
            raise TextError("`text` must be a text or a list of texts, but is None; give `text` or `text_target`.")
        source = None if text is None else self._encode(text, text_pair, options)
        target = None if text_target is None else self._encode(text_target, text_pair_target, options)
        if source is not None and target is not None:
            source["labels"] = target["input_ids"]
        return source if source is not None else target  # type: ignore[return-value]

    def _encode(self, text: Any, text_pair: Any, options: CallOptions) -> BatchEncoding:
        split = options.get("is_split_into_words", False)
        if is_batch(text, split):
            if text_pair is not None and (isinstance(text_pair, str) or len(text_pair) != len(text)):
                given = "one text" if isinstance(text_pair, str) else f"{len(text_pair)}"
                raise TokenizerError(f"`text_pair` must be a list of {len(text)} texts, as `text` is, but is {given}.")
            pairs = None if text_pair is None else list(text_pair)
            return self._encode_rows(list(text), pairs, options, single=False)
        # An empty second text counts as none, as published.
        return self._encode_rows([text], [text_pair] if text_pair else None, options, single=True)

    def _encode_rows(
        self, texts: list[Any], pairs: list[Any] | None, options: CallOptions, single: bool
    ) -> BatchEncoding:
        tokenizer, request = self._request(options)
        if pairs is None:
            texts, pairs = unzipped(texts, request.is_split_into_words)
        rows, samples = tokenizer._pipeline.encode(texts, pairs, request)
        if request.lengths.max_length is None and request.verbose:
            self._warn_too_long(max((len(row) for row in rows), default=0))
        pad_rows(rows, request, self.pad_token_id, self.pad_token)
        columns = request.columns(rows, None if pairs is None else dict(self.template(pair=True))["$B"])
        if request.return_overflowing_tokens:
            columns["overflow_to_sample_mapping"] = samples
        elif single and request.return_tensors is None:
            columns = {key: value[0] if isinstance(value[0], list) else value for key, value in columns.items()}
        return BatchEncoding(columns, rows, tensor_type=request.return_tensors)

    def _request(self, options: CallOptions) -> tuple[Self, Request]:
        """The tokenizer that carries a call out (this one, unless its settings are overridden) and the checked call."""
        given: dict[str, Any] = {**options, **(options.get("tokenizer_kwargs") or {})}
        given.pop("tokenizer_kwargs", None)
        refuse_unknown(given)
        space = given.pop("add_prefix_space", None)
        split = bool(given.get("is_split_into_words", False))
        if split and not (getattr(self, "add_prefix_space", True) if space is None else space):
            if self.is_fast:
                raise TokenizerError(
                    f"is_split_into_words=True needs a {type(self).__name__} made with add_prefix_space=True: "
                    "words are told apart by the space before them."
                )
            space = True  # documented for the plain classes: a space before each word, the first included
        tokenizer = self._variant(space, given.pop("split_special_tokens", None))
        if given.pop("pad_to_max_length", None) and not given.get("padding"):
            given["padding"] = PaddingStrategy.MAX_LENGTH
        older = given.pop("truncation_strategy", None)
        if older is not None and given.get("truncation") is None:
            given["truncation"] = older
        lengths = resolve_lengths(
            given.pop("padding", False),
            given.pop("truncation", None),
            given.pop("max_length", None),
            self.model_max_length,
            given.pop("stride", 0),
            given.pop("pad_to_multiple_of", None),
        )
        names = self.model_input_names
        for key in ("token_type_ids", "attention_mask"):
            if given.get(f"return_{key}") is None:
                given[f"return_{key}"] = key in names
        given["padding_side"] = checked_side(given.get("padding_side") or self.padding_side)
        return tokenizer, Request(lengths=lengths, truncation_side=self.truncation_side, **given)

    def _warn_too_long(self, length: int) -> None:
        if length > self.model_max_length and self.verbose and not self._warned_too_long:
            self._warned_too_long = True
            logger.warning(
                "A text has %d tokens, but the model is made for %d. Ask for truncation=True, or split the text.",
                length,
                self.model_max_length,
            )

    # ---- the other doors -----------------------------------------------------------------------------------------

    def encode(
        self,
        text: Any,
        text_pair: Any = None,
        add_special_tokens: bool = True,
        padding: bool | str | PaddingStrategy = False,
        truncation: bool | str | TruncationStrategy | None = None,
        max_length: int | None = None,
        stride: int = 0,
        padding_side: Side | None = None,
        return_tensors: Any = None,
        **kwargs: Any,
    ) -> Any:
        """The ids alone. `text` may also be a list of tokens, or of ids, to surround with special tokens."""
        options: CallOptions = {
            "add_special_tokens": add_special_tokens,
            "padding": padding,
            "truncation": truncation,
            "max_length": max_length,
            "stride": stride,
            "padding_side": padding_side,
            "return_tensors": return_tensors,
        }
        options.update(kwargs)  # type: ignore[typeddict-item]
        return self.encode_plus(text, text_pair, **options)["input_ids"]

    def encode_plus(self, text: Any, text_pair: Any = None, **options: Unpack[CallOptions]) -> BatchEncoding:
        """Encode one text, alone or with a second one; the options are those of a call."""
        return self._encode(text, text_pair, options)

    def batch_encode_plus(self, batch_text_or_text_pairs: Any, **options: Unpack[CallOptions]) -> BatchEncoding:
        """Encode a list of texts, or of pairs of texts; the options are those of a call."""
        if not isinstance(batch_text_or_text_pairs, list | tuple):
            raise TextError(f"`batch_text_or_text_pairs` must be a list, but is {batch_text_or_text_pairs!r:.100}.")
        return self._encode_rows(list(batch_text_or_text_pairs), None, options, single=False)

    def prepare_for_tokenization(
        self, text: str, is_split_into_words: bool = False, **kwargs: Any
    ) -> tuple[str, dict[str, Any]]:
        """The text with the space that `add_prefix_space` puts before its first word, and the keywords left over."""
        space = kwargs.pop("add_prefix_space", self.add_prefix_space) if hasattr(self, "add_prefix_space") else False
        if (space or (is_split_into_words and hasattr(self, "add_prefix_space"))) and text and not text[0].isspace():
            text = f" {text}"
        return text, kwargs

    def tokenize(
        self, text: Text, pair: Text | None = None, add_special_tokens: bool = False, **kwargs: Any
    ) -> list[str]:
        """The tokens of a text as strings, by default without special ones."""
        return self.encode_plus(text, pair, add_special_tokens=add_special_tokens, **kwargs).tokens()

    def pad(
        self,
        encoded_inputs: Any,
        padding: bool | str | PaddingStrategy = True,
        max_length: int | None = None,
        pad_to_multiple_of: int | None = None,
        padding_side: Side | None = None,
        return_attention_mask: bool | None = None,
        return_tensors: Any = None,
        verbose: bool = True,
    ) -> BatchEncoding:
        """Pad what was encoded before: one encoding, a mapping of columns, or a list of encodings.

        Columns other than the published ones (`labels`, …) stay as they are.
        """
        lengths = resolve_lengths(padding, False, max_length, self.model_max_length, 0, pad_to_multiple_of)
        wants_mask = (
            "attention_mask" in self.model_input_names if return_attention_mask is None else return_attention_mask
        )
        if lengths.padding is not PaddingStrategy.DO_NOT_PAD and self.pad_token_id is None:
            raise TokenizerError("Padding needs a pad token. Set one: tokenizer.pad_token = tokenizer.eos_token")
        fills = {
            self.model_input_names[0]: self.pad_token_id or 0,
            "attention_mask": 0,
            "token_type_ids": self.pad_token_type_id,
            "special_tokens_mask": 1,
        }
        side = checked_side(padding_side or self.padding_side)
        columns, tensors = pad_columns(encoded_inputs, self.model_input_names[0], lengths, fills, side, wants_mask)
        return BatchEncoding(columns, tensor_type=return_tensors or tensors)

    def prepare_seq2seq_batch(
        self,
        src_texts: Sequence[str],
        tgt_texts: Sequence[str] | None = None,
        max_length: int | None = None,
        max_target_length: int | None = None,
        padding: bool | str = "longest",
        return_tensors: Any = None,
        truncation: bool | str = True,
        **kwargs: Any,
    ) -> BatchEncoding:
        """Sources and, as `labels`, targets; `text_target` of a call does the same. Cuts to `model_max_length`."""
        options: dict[str, Any] = {"padding": padding, "return_tensors": return_tensors, "truncation": truncation}
        batch = self(list(src_texts), max_length=max_length, **options, **kwargs)
        if tgt_texts is not None:
            limit = max_length if max_target_length is None else max_target_length
            batch["labels"] = self(text_target=list(tgt_texts), max_length=limit, **options, **kwargs)["input_ids"]
        return batch

    # ---- target texts, as in older releases ----------------------------------------------------------------------

    def _switch_to_input_mode(self) -> None:
        """Source and target texts are encoded alike in this family."""

    def _switch_to_target_mode(self) -> None:
        """Source and target texts are encoded alike in this family."""

    @contextmanager
    def as_target_tokenizer(self) -> Iterator[None]:
        """Encode targets inside the block; use `text_target` instead."""
        self._switch_to_target_mode()
        yield
        self._switch_to_input_mode()


def is_batch(text: Any, split: bool) -> bool:
    """Whether `text` is a list of texts rather than one.

    Raises: TextError when it is neither.
    """
    if isinstance(text, str) and not split:
        return False
    if isinstance(text, list | tuple):
        return not split or (len(text) > 0 and isinstance(text[0], list | tuple))
    wanted = "a list of words, or a list of those" if split else "a string or a list of strings"
    raise TextError(f"`text` must be {wanted}, but is {text!r:.100} ({type(text).__name__}).")


def unzipped(texts: list[Any], split: bool) -> tuple[list[Any], list[Any] | None]:
    """A list of pairs as two lists; a list of single texts as it is."""
    of_pairs = [
        isinstance(item, tuple | list)
        and len(item) == 2
        and (not split or all(isinstance(part, list | tuple) for part in item))
        for item in texts
    ]
    if not any(of_pairs):
        return texts, None
    if not all(of_pairs):
        raise TokenizerError(
            f"`text` number {of_pairs.index(False)} must be a pair of texts, as others in its batch are."
        )
    return [first for first, _ in texts], [second for _, second in texts]


def checked_side(side: str) -> Side:
    """Raises: TokenizerError for a side that is neither left nor right."""
    if side not in ("left", "right"):
        raise TokenizerError(f"`padding_side` must be 'left' or 'right', but is {side!r}.")
    return "left" if side == "left" else "right"


def refuse_unknown(options: Mapping[str, Any]) -> None:
    """Raises: TokenizerError naming every option a call does not have."""
    for key in options.keys() - CALL_OPTIONS:
        near = get_close_matches(key, CALL_OPTIONS, n=1)
        hint = f" Did you mean `{near[0]}`?" if near else ""
        raise TokenizerError(f"A call has no option `{key}`.{hint}")
