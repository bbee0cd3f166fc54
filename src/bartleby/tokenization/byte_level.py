"""The byte-level tokenizers: BART's and Blenderbot's, both GPT-2's byte-pair encoding with their own vocabularies.

Every byte of UTF-8 text is a symbol, so no text is unknown, and a space belongs to the word after it.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, ClassVar

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

from bartleby.errors import TokenizerError
from bartleby.tokenization.assembling import Ids
from bartleby.tokenization.base import PreTrainedTokenizer, PreTrainedTokenizerFast
from bartleby.tokenization.checkpoints import published_files, published_lengths
from bartleby.tokenization.files import Merges, StrPath, Vocabulary, merges_of
from bartleby.tokenization.special_tokens import Token


def byte_symbols() -> dict[str, int]:
    """The printable character that stands for each byte in a byte-level vocabulary -> the byte.

    Source: GPT-2's encoder: printable Latin-1 bytes stand for themselves, the other 68 take characters from 256 on.
    """
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + place): byte for place, byte in enumerate(others)}


BYTE_OF = byte_symbols()


class ByteLevelTokenizer(PreTrainedTokenizer):
    """What the two have in common."""

    own_options: ClassVar[tuple[str, ...]] = ("errors", "add_prefix_space", "trim_offsets")
    errors: str = "replace"
    add_prefix_space: bool = False
    trim_offsets: bool = True

    def build_backend(self, vocabulary: Vocabulary, merges: Merges) -> Tokenizer:
        """Byte-pair merges over byte symbols."""
        backend = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, fuse_unk=False))
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=self.add_prefix_space)
        backend.decoder = decoders.ByteLevel()
        return backend

    def adjust_backend(self) -> None:
        """`add_prefix_space` and the special tokens as they are now; a pre-tokenizer of another kind is left alone."""
        super().adjust_backend()
        try:
            codecs.lookup_error(self.errors)
        except LookupError:
            known = "'replace', 'ignore' and 'strict'"
            raise TokenizerError(f"`errors` must be a name such as {known}, but is {self.errors!r}.") from None
        present = self._tokenizer.pre_tokenizer
        if present is None or isinstance(present, pre_tokenizers.ByteLevel):
            settings = json.loads(present.__getstate__()) if present is not None else {}
            use_regex = settings.get("use_regex", True)
            space = bool(self.add_prefix_space)
            self._tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=space, use_regex=use_regex)

    @property
    def byte_encoder(self) -> dict[int, str]:
        """Byte -> the character that stands for it in the vocabulary."""
        return {byte: symbol for symbol, byte in BYTE_OF.items()}

    @property
    def byte_decoder(self) -> dict[str, int]:
        """The character that stands for a byte in the vocabulary -> the byte."""
        return dict(BYTE_OF)

    @property
    def bpe_ranks(self) -> dict[tuple[str, str], int]:
        """Each merge and its place among the merges: the first is tried first."""
        return {pair: rank for rank, pair in enumerate(merges_of(self._tokenizer))}

    def bpe(self, token: str) -> str:
        """The pieces of a word that is already spelt in byte symbols ("Ġhello"), with a space between them."""
        vocabulary = self.encoder
        pieces: list[str] = []
        for is_known, symbols in groupby(token, key=vocabulary.__contains__):  # no merge has a symbol it does not have
            run = "".join(symbols)
            pieces += [piece.value for piece in self._tokenizer.model.tokenize(run)] if is_known else list(run)
        return " ".join(pieces)

    def convert_tokens_to_string(self, tokens: Sequence[str]) -> str:
        """The text that tokens stand for; `errors` says what becomes of bytes that are no UTF-8."""
        if self.errors == "replace":
            return super().convert_tokens_to_string(tokens)
        return b"".join(token_bytes(token) for token in tokens).decode("utf-8", errors=self.errors)

    def _ids_to_text(self, ids: list[int], skip_special_tokens: bool) -> str:
        if self.errors == "replace":
            return super()._ids_to_text(ids, skip_special_tokens)
        special = {index for index, token in self.added_tokens_decoder.items() if token.special and skip_special_tokens}
        tokens = [self._tokenizer.id_to_token(index) for index in ids if index not in special]
        try:
            return self.convert_tokens_to_string([token for token in tokens if token is not None])
        except UnicodeDecodeError as error:
            raise TokenizerError(
                f"The ids stand for bytes that are no text ({error}); errors='replace' shows �."
            ) from error


def token_bytes(token: str) -> bytes:
    """The bytes of a token; one with a character that stands for no byte is taken literally, as added tokens are."""
    if all(symbol in BYTE_OF for symbol in token):
        return bytes(BYTE_OF[symbol] for symbol in token)
    return token.encode()


class BartTokenizer(ByteLevelTokenizer):
    """BART's tokenizer, which is RoBERTa's: `<s> A </s>` and `<s> A </s></s> B </s>`.

    `vocab_file` and `merges_file` are paths; `vocab` and `merges` may be the vocabulary itself.
    """

    special_tokens_pattern = "cls_double_sep"
    pretrained_vocab_files_map = published_files("bart", PreTrainedTokenizer.vocab_files_names)
    max_model_input_sizes = published_lengths("bart")

    def __init__(
        self,
        vocab_file: StrPath | Mapping[str, int] | None = None,
        merges_file: StrPath | Sequence[Any] | None = None,
        errors: str = "replace",
        bos_token: Token = "<s>",
        eos_token: Token = "</s>",
        sep_token: Token = "</s>",
        cls_token: Token = "<s>",
        unk_token: Token = "<unk>",
        pad_token: Token = "<pad>",
        mask_token: Token = "<mask>",
        add_prefix_space: bool = False,
        trim_offsets: bool = True,
        **kwargs: Any,
    ) -> None:
        self.errors, self.add_prefix_space, self.trim_offsets = errors, add_prefix_space, trim_offsets
        super().__init__(
            vocab_file,
            merges_file,
            bos_token=bos_token,
            eos_token=eos_token,
            sep_token=sep_token,
            cls_token=cls_token,
            unk_token=unk_token,
            pad_token=pad_token,
            mask_token=mask_token,
            **kwargs,
        )

    def adjust_backend(self) -> None:
        """RoBERTa's post-processor lays sequences out as the pattern does, and trims spaces off the offsets."""
        super().adjust_backend()
        if self.special_tokens_pattern != "cls_double_sep":
            return
        self._tokenizer.post_processor = processors.RobertaProcessing(
            (str(self.sep_token), int(self.sep_token_id or 0)),
            (str(self.cls_token), int(self.cls_token_id or 0)),
            trim_offsets=bool(self.trim_offsets),
            add_prefix_space=bool(self.add_prefix_space),
        )


class BlenderbotTokenizer(ByteLevelTokenizer):
    """Blenderbot's tokenizer: `A </s>`, and a space before the first word unless `add_prefix_space` is False.

    Of two texts nothing marks the border, and no `</s>` follows. Offsets include the space before a word, whatever
    `trim_offsets` says: both as in the published tokenizer.
    """

    vocab_files_names: ClassVar[dict[str, str]] = {
        **PreTrainedTokenizer.vocab_files_names,
        "tokenizer_config_file": "tokenizer_config.json",
    }
    pretrained_vocab_files_map = published_files("blenderbot", vocab_files_names)
    max_model_input_sizes = published_lengths("blenderbot")
    special_tokens_pattern = "eos"
    first_tokens = ("pad_token", "bos_token", "eos_token", "unk_token", "mask_token")
    default_chat_template = (
        "{% for message in messages %}{% if message['role'] == 'user' %}{{ ' ' }}{% endif %}{{ message['content'] }}"
        "{% if not loop.last %}{{ '  ' }}{% endif %}{% endfor %}{{ eos_token }}"
    )

    def __init__(
        self,
        vocab_file: StrPath | Mapping[str, int] | None = None,
        merges_file: StrPath | Sequence[Any] | None = None,
        errors: str = "replace",
        bos_token: Token = "<s>",
        eos_token: Token = "</s>",
        sep_token: Token = "</s>",
        cls_token: Token = "<s>",
        unk_token: Token = "<unk>",
        pad_token: Token = "<pad>",
        mask_token: Token = "<mask>",
        add_prefix_space: bool = True,
        trim_offsets: bool = True,
        **kwargs: Any,
    ) -> None:
        self.errors, self.add_prefix_space, self.trim_offsets = errors, add_prefix_space, trim_offsets
        super().__init__(
            vocab_file,
            merges_file,
            bos_token=bos_token,
            eos_token=eos_token,
            sep_token=sep_token,
            cls_token=cls_token,
            unk_token=unk_token,
            pad_token=pad_token,
            mask_token=mask_token,
            **kwargs,
        )

    def template(self, pair: bool = False) -> list[tuple[str, int]]:
        """The pattern, but nothing around two sequences."""
        return [("$A", 0), ("$B", 1)] if pair else super().template(pair)

    def build_inputs_with_special_tokens(self, token_ids_0: Ids, token_ids_1: Ids | None = None) -> list[int]:
        """`A </s>`; a second sequence is ignored, as documented."""
        return super().build_inputs_with_special_tokens(token_ids_0)


class BartTokenizerFast(BartTokenizer, PreTrainedTokenizerFast):
    """BartTokenizer under its other published name, and with that name's order of arguments."""

    slow_tokenizer_class = BartTokenizer

    def __init__(
        self,
        vocab_file: StrPath | Mapping[str, int] | None = None,
        merges_file: StrPath | Sequence[Any] | None = None,
        tokenizer_file: StrPath | None = None,
        errors: str = "replace",
        bos_token: Token = "<s>",
        eos_token: Token = "</s>",
        sep_token: Token = "</s>",
        cls_token: Token = "<s>",
        unk_token: Token = "<unk>",
        pad_token: Token = "<pad>",
        mask_token: Token = "<mask>",
        add_prefix_space: bool = False,
        trim_offsets: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            vocab_file,
            merges_file,
            errors,
            bos_token=bos_token,
            eos_token=eos_token,
            sep_token=sep_token,
            cls_token=cls_token,
            unk_token=unk_token,
            pad_token=pad_token,
            mask_token=mask_token,
            add_prefix_space=add_prefix_space,
            trim_offsets=trim_offsets,
            tokenizer_file=tokenizer_file,
            **kwargs,
        )


class BlenderbotTokenizerFast(BlenderbotTokenizer, PreTrainedTokenizerFast):
    """BlenderbotTokenizer under its other published name, and with that name's order of arguments."""

    slow_tokenizer_class = BlenderbotTokenizer

    def __init__(
        self,
        vocab_file: StrPath | Mapping[str, int] | None = None,
        merges_file: StrPath | Sequence[Any] | None = None,
        tokenizer_file: StrPath | None = None,
        errors: str = "replace",
        bos_token: Token = "<s>",
        eos_token: Token = "</s>",
        sep_token: Token = "</s>",
        cls_token: Token = "<s>",
        unk_token: Token = "<unk>",
        pad_token: Token = "<pad>",
        mask_token: Token = "<mask>",
        add_prefix_space: bool = True,
        trim_offsets: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            vocab_file,
            merges_file,
            errors,
            bos_token=bos_token,
            eos_token=eos_token,
            sep_token=sep_token,
            cls_token=cls_token,
            unk_token=unk_token,
            pad_token=pad_token,
            mask_token=mask_token,
            add_prefix_space=add_prefix_space,
            trim_offsets=trim_offsets,
            tokenizer_file=tokenizer_file,
            **kwargs,
        )


RobertaTokenizer = BartTokenizer
RobertaTokenizerFast = BartTokenizerFast
