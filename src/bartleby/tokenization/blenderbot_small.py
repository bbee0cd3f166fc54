"""Blenderbot-Small's tokenizer: lower-cased words, cut into pieces by merges learnt with subword-nmt."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal

from tokenizers import AddedToken, Encoding, Regex, Tokenizer, models, normalizers, pre_tokenizers

from bartleby.errors import TokenizerError
from bartleby.tokenization.base import PreTrainedTokenizer, PreTrainedTokenizerFast
from bartleby.tokenization.byte_level import BlenderbotTokenizer
from bartleby.tokenization.checkpoints import published_files, published_lengths
from bartleby.tokenization.files import Merges, StrPath, Vocabulary, need_files, read_merges, read_vocabulary
from bartleby.tokenization.special_tokens import Token
from bartleby.tokenization.subword_nmt import Lesson, Splitting, SubwordEncoder, Subwords, text_of

Segmentation = Literal["published", "parlai"]

NEWLINE = "__newln__"
CASED = r"[\p{Cased}&&\P{Case_Ignorable}]"


def final_sigma(ignorable: str) -> normalizers.Normalizer:
    """Greek capital sigma as ς where it ends a word, which lower-casing letter by letter would miss.

    Source: Unicode, section 3.13, Final_Sigma; `ignorable` is the class of characters that are looked past.
    """
    return normalizers.Replace(Regex(f"(?<={CASED}{ignorable}*)Σ(?!{ignorable}*{CASED})"), "ς")


def splitting(segmentation: Segmentation) -> Splitting:
    """How text becomes words.

    "published": a word ends at white space and before each of .,!?() and stands alone only if it is an apostrophe. One
    newline is kept where it follows a word directly, unless that word is an apostrophe; other newlines are white space.
    "parlai": runs of letters, digits and underscores, and every other character by itself; every newline is kept.
    """
    if segmentation == "parlai":
        newline, ignorable = r"\n", r"\p{Case_Ignorable}"
        word = r"[\p{L}\p{N}_]+|[^\p{L}\p{N}_\s\x1c-\x1f]"  # Python's \w and \s, with which ParlAI splits
    else:
        newline, ignorable = r"(?<=[^\s'])\n", r"[\p{Case_Ignorable}&&[^.']]"
        word = r"'|[.,!?()][^\s.,!?()']*|[^\s.,!?()']+"
    steps = [normalizers.Replace(Regex(newline), f" {NEWLINE} "), final_sigma(ignorable), normalizers.Lowercase()]
    return Splitting(normalizers.Sequence(steps), pre_tokenizers.Split(Regex(word), "removed", invert=True))


class Speechless:
    """In the place of an encoder while there is no token for what the vocabulary lacks: it refuses to encode."""

    def encode_batch(
        self, input: Sequence[Any], is_pretokenized: bool = False, add_special_tokens: bool = True
    ) -> list[Encoding]:
        """Raises: TokenizerError."""
        raise TokenizerError("Encoding needs an `unk_token`: many characters are not in the vocabulary. Set one.")


class BlenderbotSmallTokenizer(PreTrainedTokenizer):
    """Blenderbot-Small's tokenizer: no special tokens are added, and text comes back lower-cased.

    `vocab_file` and `merges_file` are paths; `vocab` and `merges` may be the vocabulary itself. `segmentation` "parlai"
    splits text as the model's makers did, "published" as the published tokenizer does; the ids differ.
    """

    vocab_files_names: ClassVar[dict[str, str]] = {
        "vocab_file": "vocab.json",
        "merges_file": "merges.txt",
        "tokenizer_config_file": "tokenizer_config.json",
    }
    pretrained_vocab_files_map = published_files("blenderbot-small", vocab_files_names)
    max_model_input_sizes = published_lengths("blenderbot-small")
    own_options: ClassVar[tuple[str, ...]] = ("segmentation",)
    first_tokens = ("pad_token", "bos_token", "eos_token", "unk_token")
    default_chat_template = BlenderbotTokenizer.default_chat_template
    segmentation: Segmentation
    _merges: Merges
    _subwords: Subwords

    def __init__(
        self,
        vocab_file: StrPath | Mapping[str, int] | None = None,
        merges_file: StrPath | Sequence[Any] | None = None,
        bos_token: Token = "__start__",
        eos_token: Token = "__end__",
        unk_token: Token = "__unk__",
        pad_token: Token = "__null__",
        *,
        segmentation: Segmentation = "published",
        **kwargs: Any,
    ) -> None:
        for name in ("tokenizer_file", "tokenizer_object"):
            if kwargs.get(name) is not None:
                raise TokenizerError(f"{type(self).__name__} is made of vocab.json and merges.txt, not of `{name}`.")
        self.segmentation = segmentation
        super().__init__(
            vocab_file,
            merges_file,
            bos_token=bos_token,
            eos_token=eos_token,
            unk_token=unk_token,
            pad_token=pad_token,
            **kwargs,
        )

    # ---- the vocabulary ------------------------------------------------------------------------------------------

    def _from_vocabulary(self, vocab: Any, merges: Any) -> Tokenizer:
        if vocab is None and merges is None:
            return super()._from_vocabulary(vocab, merges)
        missing = {"vocab_file": vocab, "merges_file": merges}
        need_files({key: value for key, value in missing.items() if value is None or isinstance(value, str)})
        return self.build_backend(read_vocabulary(vocab), read_merges(merges, None))

    def build_backend(self, vocabulary: Vocabulary, merges: Merges) -> Tokenizer:
        """The published tokens and ids; texts are encoded by a `SubwordEncoder` in front of it."""
        self._merges = merges
        self._subwords = Subwords.build(vocabulary, merges)
        return Tokenizer(models.WordLevel(vocabulary, unk_token=str(self._named_tokens["unk_token"])))

    def _refresh(self) -> None:
        if self.segmentation not in ("published", "parlai"):
            raise TokenizerError(f"`segmentation` must be 'published' or 'parlai', but is {self.segmentation!r}.")
        super()._refresh()
        splits, unknown = splitting(self.segmentation), self.unk_token
        encoder = Speechless() if unknown is None else SubwordEncoder(self._subwords, splits, self._tokenizer, unknown)
        self._pipeline = replace(self._pipeline, tokenizer=encoder)

    def __getstate__(self) -> dict[str, Any]:
        """Without what is made anew: the numbers of added tokens would not survive the library's own pickling."""
        return {key: value for key, value in super().__getstate__().items() if key not in ("_pipeline", "_subwords")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._subwords = Subwords.build(self._tokenizer.get_vocab(with_added_tokens=False), self._merges)
        self._refresh()

    def _vocabulary_texts(self) -> tuple[str, str]:
        vocabulary = self._tokenizer.get_vocab(with_added_tokens=False)
        ordered = dict(sorted(vocabulary.items(), key=lambda item: item[1]))
        return json.dumps(ordered), "#version: 0.2\n" + "".join(f"{first} {second}\n" for first, second in self._merges)

    def save_pretrained(
        self,
        save_directory: StrPath,
        legacy_format: bool | None = None,
        filename_prefix: str | None = None,
        push_to_hub: bool = False,
        save_format: str | None = None,
        **kwargs: Any,
    ) -> tuple[str, ...]:
        """Write the tokenizer into a folder, made if need be; returns the files' paths.

        There is no tokenizer.json: that format cannot hold this vocabulary, see `subword_nmt`.
        """
        if legacy_format is False:
            raise TokenizerError("`legacy_format` must not be False: tokenizer.json cannot hold this vocabulary.")
        return super().save_pretrained(save_directory, True, filename_prefix, push_to_hub, save_format, **kwargs)

    def _learn(
        self,
        texts: Iterable[str] | Iterable[Sequence[str]],
        vocab_size: int,
        special_tokens: Sequence[AddedToken],
        length: int | None,
        trainer_options: dict[str, Any],
    ) -> dict[str, Any]:
        lesson = Lesson(vocab_size, [str(token) for token in special_tokens], (NEWLINE,), trainer_options)
        vocabulary, merges = lesson.learn(splitting(self.segmentation), texts, length)
        return {"vocab": vocabulary, "merges": merges}

    # ---- tokens and text -----------------------------------------------------------------------------------------

    @property
    def decoder(self) -> dict[int, str]:
        """Id -> token, as the published class means it: its backend has no such part."""
        return {index: token for token, index in self.encoder.items()}

    def convert_tokens_to_ids(self, tokens: Any) -> Any:
        """The id of a token, or of each of several; letter case counts only for added tokens."""
        if isinstance(tokens, str) and tokens not in self.added_tokens_encoder:
            tokens = tokens.lower()
        return super().convert_tokens_to_ids(tokens)

    def bpe(self, token: str) -> str:
        """The tokens of a word, with a space between them."""
        return " ".join(self.tokenize(token))

    def convert_tokens_to_string(self, tokens: Sequence[str]) -> str:
        """The text that tokens stand for, words and punctuation with a space between them."""
        return text_of(tokens)

    def _ids_to_text(self, ids: list[int], skip_special_tokens: bool) -> str:
        tokens = self.convert_ids_to_tokens(ids, skip_special_tokens=skip_special_tokens)
        return text_of(token for token in tokens if token is not None)


class BlenderbotSmallTokenizerFast(BlenderbotSmallTokenizer, PreTrainedTokenizerFast):
    """BlenderbotSmallTokenizer under its other published name.

    The class of this name in older releases reads the vocabulary as bytes, which it is not; here the ids are right.
    `add_prefix_space` and `trim_offsets` have nothing to act on: no token holds a space.
    """

    slow_tokenizer_class = BlenderbotSmallTokenizer

    def __init__(
        self,
        vocab_file: StrPath | Mapping[str, int] | None = None,
        merges_file: StrPath | Sequence[Any] | None = None,
        bos_token: Token = "__start__",
        eos_token: Token = "__end__",
        unk_token: Token = "__unk__",
        pad_token: Token = "__null__",
        add_prefix_space: bool = False,
        trim_offsets: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(vocab_file, merges_file, bos_token, eos_token, unk_token, pad_token, **kwargs)

    def create_token_type_ids_from_sequences(
        self, token_ids_0: Sequence[int], token_ids_1: Sequence[int] | None = None
    ) -> list[int]:
        """Zeros, as many as there are tokens."""
        return [0] * (len(token_ids_0) + len(token_ids_1 or ()))
