"""The tokenizer every model of the family has: a `tokenizers.Tokenizer` behind the published methods.

A model's tokenizer derives from `PreTrainedTokenizer` and says how its backend is built from a vocabulary and merges
(`build_backend`), what surrounds a sequence (`special_tokens_pattern`), and which special tokens it starts with.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, ClassVar, Self

from tokenizers import AddedToken, Tokenizer

from bartleby.errors import TokenizerError, raise_all
from bartleby.family.fields import Check, is_number
from bartleby.tokenization.assembling import Assembling
from bartleby.tokenization.backend import Backend
from bartleby.tokenization.chat_template import ChatTemplates
from bartleby.tokenization.files import (
    Merges,
    StrPath,
    Vocabulary,
    is_path,
    need_files,
    read_backend,
    read_merges,
    read_vocabulary,
    token_from_dict,
)
from bartleby.tokenization.lengths import UNLIMITED, Side
from bartleby.tokenization.rows import Pipeline, Unjoinable, without_post_processor
from bartleby.tokenization.saving import Saving
from bartleby.tokenization.special_tokens import NAMES, Token, as_special, checked_tokens
from bartleby.tokenization.vocabulary_training import train_backend

SIDES = ("left", "right")
SURROUND = ("add_bos_token", "add_eos_token")
FLAG = Check("true or false", lambda value: isinstance(value, bool | None))
CHECKS = {
    "model_max_length": Check(
        "a whole number of at least 1", lambda value: is_number(value) and value >= 1 and value % 1 == 0
    ),
    "chat_template": Check("a text, or texts by name", lambda value: are_texts(value)),
    **dict.fromkeys(("special_tokens_pattern", "errors"), Check("a text", lambda value: isinstance(value, str))),
    **dict.fromkeys(("clean_up_tokenization_spaces", "split_special_tokens", "verbose"), FLAG),
    **dict.fromkeys(("add_prefix_space", "trim_offsets"), FLAG),
}
"""What options must be: a tokenizer_config.json may say anything."""


class PreTrainedTokenizer(ChatTemplates, Assembling, Backend, Saving):
    """Text to ids and back. Not used by itself: see BartTokenizer, BlenderbotTokenizer, BlenderbotSmallTokenizer."""

    vocab_files_names: ClassVar[dict[str, str]] = {
        "vocab_file": "vocab.json",
        "merges_file": "merges.txt",
        "tokenizer_file": "tokenizer.json",
    }
    # The order in which a vocabulary of one's own starts: the ids that the model's configuration expects.
    first_tokens: ClassVar[tuple[str, ...]] = ("bos_token", "pad_token", "eos_token", "unk_token", "mask_token")
    # Options beyond OPTIONS that a class takes and that are attributes of it: saved and handed to copies.
    own_options: ClassVar[tuple[str, ...]] = ()
    model_input_names: list[str] = ["input_ids", "attention_mask"]  # noqa: RUF012 - published, replaced on instances
    padding_side: Side = "right"
    truncation_side: Side = "right"
    is_fast: bool = False
    slow_tokenizer_class: ClassVar[type[PreTrainedTokenizer] | None] = None
    pretrained_vocab_files_map: ClassVar[dict[str, dict[str, str]]] = {}
    pretrained_init_configuration: ClassVar[dict[str, dict[str, Any]]] = {}
    max_model_input_sizes: ClassVar[dict[str, int]] = {}
    can_save_slow_tokenizer: bool = True
    pad_token_type_id: int = 0
    split_special_tokens: bool
    name_or_path: str

    OPTIONS: ClassVar[dict[str, Any]] = {
        "model_max_length": UNLIMITED,
        "clean_up_tokenization_spaces": True,
        "split_special_tokens": False,
        "special_tokens_pattern": None,
        "chat_template": None,
        "name_or_path": "",
        "verbose": True,
    }

    def __init__(
        self,
        vocab_file: StrPath | Mapping[str, int] | None = None,
        merges_file: StrPath | Sequence[Any] | None = None,
        *,
        tokenizer_file: StrPath | None = None,
        tokenizer_object: Tokenizer | None = None,
        vocab: StrPath | Mapping[str, int] | None = None,
        merges: StrPath | Sequence[Any] | None = None,
        added_tokens_decoder: Mapping[int, Token | Mapping[str, Any]] | None = None,
        **options: Any,
    ) -> None:
        """One source of the vocabulary, the first that is given: tokenizer_object, tokenizer_file, vocabulary + merges.

        Without any, the vocabulary is the special tokens alone: something to call `train_new_from_iterator` on.
        Raises: TokenizerError for an unknown option or malformed files, CheckpointError for missing ones.
        """
        self._named_tokens = {name: as_token(name, options.pop(name, None)) for name in NAMES}
        self._additional_tokens = additional_tokens(options)
        surround = {name: value for name in SURROUND if (value := options.pop(name, None)) is not None}
        self._set_options(options)
        sources = {"vocab_file": vocab_file, "merges_file": merges_file, "tokenizer_file": tokenizer_file}
        self._sources = {name: source if is_path(source) else None for name, source in sources.items()}
        self._variants: dict[tuple[bool | None, bool], Self] = {}
        self._warned_too_long = False
        if tokenizer_object is not None:
            self._tokenizer = copy.deepcopy(tokenizer_object)
        elif tokenizer_file is not None:
            self._tokenizer = read_backend(tokenizer_file)
        else:
            self._tokenizer = self._from_vocabulary(
                vocab_file if vocab is None else vocab, merges_file if merges is None else merges
            )
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._add_missing_tokens(added_tokens_decoder or {})
        self._refresh()
        for name, value in surround.items():
            setattr(self, name, value)

    # ---- what a subclass says ------------------------------------------------------------------------------------

    def build_backend(self, vocabulary: Vocabulary, merges: Merges) -> Tokenizer:
        """The backend for a vocabulary; options such as `add_prefix_space` are already attributes of `self`."""
        raise NotImplementedError(f"{type(self).__name__} does not say how its backend is built")

    def adjust_backend(self) -> None:
        """Bring the backend in line with attributes that were assigned; by default the post-processor alone."""
        self._tokenizer.post_processor = self.pattern_processor()

    # ---- construction --------------------------------------------------------------------------------------------

    def _set_options(self, options: dict[str, Any]) -> None:
        if "max_len" in options:
            options.setdefault("model_max_length", options.pop("max_len"))
        sides = {key: options.pop(key, None) or getattr(type(self), key) for key in ("padding_side", "truncation_side")}
        for key, side in sides.items():
            if side not in SIDES:
                raise TokenizerError(f"`{key}` must be 'left' or 'right', but is {side!r}.")
            setattr(self, key, side)
        names = options.pop("model_input_names", None) or type(self).model_input_names
        self.model_input_names = [str(name) for name in checked_tokens(names, "model_input_names")]
        known = [*self.OPTIONS, *self.own_options]
        for key in options.keys() - set(known):
            near = get_close_matches(key, [*known, *NAMES, "padding_side", "truncation_side"], n=1)
            hint = f"Did you mean `{near[0]}`?" if near else f"Known are {', '.join(known)} and the special tokens."
            raise TokenizerError(f"{type(self).__name__} has no option `{key}`. {hint}")
        for key, default in self.OPTIONS.items():
            value = options.get(key)
            setattr(self, key, getattr(type(self), key, default) if value is None else value)
        faults = [check.fault(key, getattr(self, key)) for key, check in CHECKS.items() if hasattr(self, key)]
        raise_all(TokenizerError, [fault for fault in faults if fault], type(self).__name__)
        self.model_max_length = int(self.model_max_length)  # a file may say 512.0

    def _from_vocabulary(self, vocab: Any, merges: Any) -> Tokenizer:
        if vocab is None and merges is None:
            names = [
                str(self._named_tokens[name]) for name in self.first_tokens if self._named_tokens[name] is not None
            ]
            return self.build_backend({token: index for index, token in enumerate(dict.fromkeys(names))}, [])
        sources = {"vocab_file": vocab, "merges_file": merges}
        need_files({key: source for key, source in sources.items() if source is None or is_path(source)})
        vocabulary = read_vocabulary(vocab)
        return self.build_backend(vocabulary, read_merges(merges, vocabulary))

    def _add_missing_tokens(self, saved: Mapping[int, Token | Mapping[str, Any]]) -> None:
        """Make added tokens of what was saved as such and of every special token, ids in their saved order."""
        decoded = added_tokens(saved)
        by_text = {str(token): token for token in decoded.values()}
        self._named_tokens = {
            name: by_text.get(str(token), token) if isinstance(token, str) else token
            for name, token in self._named_tokens.items()
        }
        special = [as_special(name, token) for name, token in self._named_tokens.items() if token is not None]
        special += [as_special("", token) for token in self._additional_tokens]
        there = {str(token) for token in self._tokenizer.get_added_tokens_decoder().values()}
        ordered = [decoded[index] for index in sorted(decoded)]
        named = {str(token) for token in special}
        for token in [*ordered, *special]:
            if str(token) in there:
                continue
            there.add(str(token))
            if token.special or str(token) in named:
                self._tokenizer.add_special_tokens([token])
            else:
                self._tokenizer.add_tokens([token])
        wrong = [
            f"{token} has id {self._tokenizer.token_to_id(str(token))}, not {index}"
            for index, token in decoded.items()
            if self._tokenizer.token_to_id(str(token)) != index
        ]
        if wrong:
            raise TokenizerError(f"The added tokens do not fit the vocabulary: {'; '.join(wrong)}.")

    def _refresh(self) -> None:
        """After a change of tokens or options: the backend, and what is derived from it, follow."""
        self._variants = {}
        self._tokenizer.encode_special_tokens = bool(self.split_special_tokens)
        self.adjust_backend()
        numbers = self.num_special_tokens_to_add(False), self.num_special_tokens_to_add(True)
        lacking = self.lacking_tokens()
        joiner = Unjoinable(lacking) if lacking else self._tokenizer.post_processor
        self._pipeline = Pipeline(without_post_processor(self._tokenizer), joiner, numbers)

    def __setattr__(self, name: str, value: Any) -> None:
        """Options that shape the backend take effect when they are assigned."""
        before = self.__dict__.get(name)
        super().__setattr__(name, value)
        shaping = (*type(self).own_options, "split_special_tokens", "special_tokens_pattern")
        if name in shaping and "_pipeline" in self.__dict__:
            try:
                self._refresh()
            except TokenizerError:
                super().__setattr__(name, before)
                raise

    def _variant(self, add_prefix_space: bool | None, split_special_tokens: bool | None) -> Self:
        """This tokenizer, or a kept copy with other settings, for calls that ask for them."""
        split = self.split_special_tokens if split_special_tokens is None else split_special_tokens
        space = getattr(self, "add_prefix_space", None) if add_prefix_space is None else add_prefix_space
        if (space, split) == (getattr(self, "add_prefix_space", None), self.split_special_tokens):
            return self
        if not hasattr(self, "add_prefix_space") and space is not None:
            raise TokenizerError(f"{type(self).__name__} has no `add_prefix_space`.")
        if (space, split) not in self._variants:
            made = copy.deepcopy(self)
            made.split_special_tokens = split
            if space is not None:
                made.add_prefix_space = space
            self._variants[space, split] = made
        return self._variants[space, split]

    @classmethod
    def register_for_auto_class(cls, auto_class: str | type = "AutoTokenizer") -> None:
        """Let AutoTokenizer load, in this process, checkpoints whose files name this class: for classes of your own."""
        from bartleby.tokenization.auto import TOKENIZER_CLASSES  # which imports this module

        name = auto_class if isinstance(auto_class, str) else auto_class.__name__
        if name != "AutoTokenizer":
            raise TokenizerError(f"`auto_class` must be 'AutoTokenizer', but is {name!r}.")
        TOKENIZER_CLASSES[cls.__name__] = cls

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_variants": {}}

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(name_or_path={self.name_or_path!r}, vocab_size={self.vocab_size}, "
            f"model_max_length={self.model_max_length}, padding_side={self.padding_side!r}, "
            f"truncation_side={self.truncation_side!r}, special_tokens={self.special_tokens_map})"
        )

    # ---- a vocabulary of one's own ------------------------------------------------------------------------------

    def train_new_from_iterator(
        self,
        text_iterator: Iterable[str] | Iterable[Sequence[str]],
        vocab_size: int,
        length: int | None = None,
        new_special_tokens: Sequence[Token] | None = None,
        special_tokens_map: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> Self:
        """A tokenizer like this one with a vocabulary learnt from texts (or batches of them).

        Special tokens come first, in the order the model's configuration expects; `special_tokens_map` renames them.
        `length` is the number of texts, for a progress bar; `kwargs` go to the trainer (`min_frequency`, …).
        Raises: TokenizerError when `vocab_size` does not hold the special tokens and single symbols.
        """
        renamed = dict(special_tokens_map or {})
        named = {
            name: None if token is None else as_special(name, renamed_token(token, renamed))
            for name, token in self._named_tokens.items()
        }
        additional = [renamed_token(token, renamed) for token in self._additional_tokens]
        additional += checked_tokens(new_special_tokens or [], "new_special_tokens")
        ordered = [*(named[name] for name in (*self.first_tokens, *NAMES)), *(as_special("", t) for t in additional)]
        special: dict[str, AddedToken] = {}
        for token in ordered:
            if token is not None:
                special.setdefault(str(token), token)
        learnt = self._learn(text_iterator, vocab_size, list(special.values()), length, kwargs)
        options: dict[str, Any] = {
            **self._options(),
            **named,
            "additional_special_tokens": additional,
            "name_or_path": "",
        }
        return type(self)(**learnt, **options)

    def _learn(
        self,
        texts: Iterable[str] | Iterable[Sequence[str]],
        vocab_size: int,
        special_tokens: Sequence[AddedToken],
        length: int | None,
        trainer_options: dict[str, Any],
    ) -> dict[str, Any]:
        """The arguments that give the constructor a vocabulary learnt from texts, special tokens first."""
        backend = train_backend(self._tokenizer, texts, vocab_size, special_tokens, length, trainer_options)
        return {"tokenizer_object": backend}


class PreTrainedTokenizerFast(PreTrainedTokenizer):
    """What the published `…Fast` classes derive from. Here both kinds run on the same backend."""

    is_fast = True


PreTrainedTokenizerBase = PreTrainedTokenizer  # what the published classes of both kinds have in common


def as_token(name: str, value: Any) -> Token | None:
    """A special token as an option gives it: a string, an AddedToken, the fields of one, or None."""
    if value is None:
        return None
    [token] = checked_tokens([token_from_dict(value) if isinstance(value, Mapping) else value], name)
    return token


def added_tokens(saved: Any) -> dict[int, AddedToken]:
    """Id -> token, of what a file or a caller gives as `added_tokens_decoder`."""
    if not isinstance(saved, Mapping) or not all(str(index).isdecimal() for index in saved):
        raise TokenizerError(f"`added_tokens_decoder` must map ids to tokens, but is {saved!r:.100}.")
    return {int(index): as_added(token) for index, token in saved.items()}


def are_texts(value: Any) -> bool:
    """Whether `value` is a text or texts by name, or None."""
    return all(isinstance(text, str | None) for text in (value.values() if isinstance(value, Mapping) else [value]))


def as_added(token: Token | Mapping[str, Any]) -> AddedToken:
    """A saved added token as an AddedToken."""
    if isinstance(token, Mapping):
        return token_from_dict(token)
    [token] = checked_tokens([token], "added_tokens_decoder")
    return AddedToken(token) if isinstance(token, str) else token


def additional_tokens(options: dict[str, Any]) -> list[Token]:
    """Takes `additional_special_tokens` and its newer name out of the options."""
    given = [options.pop(key, None) or [] for key in ("additional_special_tokens", "extra_special_tokens")]
    odd = [tokens for tokens in given if not isinstance(tokens, list | tuple)]
    if odd:
        raise TokenizerError(
            f"`extra_special_tokens` must be a list, but is {odd[0]!r:.100}. Names of their own are not supported."
        )
    tokens = [as_token("additional_special_tokens", token) for tokens in given for token in tokens]
    return list({str(token): token for token in tokens if token is not None}.values())


def renamed_token(token: Token, names: Mapping[str, str]) -> Token:
    """The token under its new name, with its other properties."""
    content = names.get(str(token), str(token))
    if isinstance(token, str):
        return content
    return AddedToken(
        content,
        single_word=token.single_word,
        lstrip=token.lstrip,
        rstrip=token.rstrip,
        normalized=token.normalized,
        special=token.special,
    )
