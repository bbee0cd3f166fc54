"""Special tokens: the seven named ones, the additional ones, and the patterns in which sequences carry them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from tokenizers import AddedToken, Tokenizer, processors

from bartleby.errors import TokenizerError

logger = logging.getLogger(__name__)

Token = str | AddedToken

NAMES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")

# What stands around one sequence and around two: a named token, or a sequence; behind the colon the type id, if not 0.
PATTERNS: dict[str, tuple[str, str]] = {
    "none": ("$A", "$A $B:1"),
    "cls_sep": ("cls $A sep", "cls $A sep $B:1 sep:1"),
    "cls_double_sep": ("cls $A sep", "cls $A sep sep $B sep"),
    "eos": ("$A eos", "$A eos $B:1 eos:1"),
    "bos": ("bos $A", "bos $A bos:1 $B:1"),
    "bos_eos": ("bos $A eos", "bos $A eos $B:1 eos:1"),
}


class NamedToken:
    """An attribute such as `bos_token`: a string or None when read, a string, AddedToken or None when set."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: SpecialTokens | None, owner: type) -> str | None:
        if instance is None:
            return self  # type: ignore[return-value] # asked of the class: the descriptor, as for a property
        token = instance._named_tokens.get(self.name)
        return None if token is None else str(token)

    def __set__(self, instance: SpecialTokens, value: Token | None) -> None:
        instance._set_named_token(self.name, value)


class TokenAsGiven:
    """An attribute such as `_bos_token`, which older scripts read: the AddedToken or string itself, or None."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name.removeprefix("_")

    def __get__(self, instance: SpecialTokens | None, owner: type) -> Token | None:
        return None if instance is None else instance._named_tokens.get(self.name)

    def __set__(self, instance: SpecialTokens, value: Token | None) -> None:
        instance._set_named_token(self.name, value)


class NamedTokenId:
    """An attribute such as `bos_token_id`: the id of the token, None without one; setting it picks the token by id.

    A token that is not in the vocabulary yet has the id of `unk_token`, as in both published releases.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name.removesuffix("_id")

    def __get__(self, instance: SpecialTokens | None, owner: type) -> int | None:
        if instance is None:
            return self  # type: ignore[return-value]
        token = instance._named_tokens.get(self.name)
        return None if token is None else instance._id_of(str(token))

    def __set__(self, instance: SpecialTokens, value: int | None) -> None:
        token = None if value is None else instance._tokenizer.id_to_token(value)
        if value is not None and token is None:
            raise TokenizerError(f"`{self.name}_id` {value} is not in the vocabulary of {len(instance)} tokens.")
        instance._set_named_token(self.name, token)


class SpecialTokens:
    """The special-token half of a tokenizer; the half that encodes is `base.PreTrainedTokenizer`."""

    SPECIAL_TOKENS_ATTRIBUTES: ClassVar[list[str]] = list(NAMES)
    special_tokens_pattern: str = "none"

    bos_token = NamedToken()
    eos_token = NamedToken()
    unk_token = NamedToken()
    sep_token = NamedToken()
    pad_token = NamedToken()
    cls_token = NamedToken()
    mask_token = NamedToken()
    _bos_token = TokenAsGiven()
    _eos_token = TokenAsGiven()
    _unk_token = TokenAsGiven()
    _sep_token = TokenAsGiven()
    _pad_token = TokenAsGiven()
    _cls_token = TokenAsGiven()
    _mask_token = TokenAsGiven()
    bos_token_id = NamedTokenId()
    eos_token_id = NamedTokenId()
    unk_token_id = NamedTokenId()
    sep_token_id = NamedTokenId()
    pad_token_id = NamedTokenId()
    cls_token_id = NamedTokenId()
    mask_token_id = NamedTokenId()

    _tokenizer: Tokenizer
    _named_tokens: dict[str, Token | None]
    _additional_tokens: list[Token]
    _refresh: Callable[[], None]

    def __len__(self) -> int:
        """Size of the vocabulary, added tokens included."""
        return int(self._tokenizer.get_vocab_size(with_added_tokens=True))

    # ---- reading -------------------------------------------------------------------------------------------------

    @property
    def additional_special_tokens(self) -> list[str]:
        """Special tokens without a name of their own."""
        return [str(token) for token in self._additional_tokens]

    @additional_special_tokens.setter
    def additional_special_tokens(self, tokens: Sequence[Token] | None) -> None:
        self._additional_tokens = checked_tokens(tokens or [], "additional_special_tokens")

    @property
    def additional_special_tokens_ids(self) -> list[int]:
        """Their ids; assigning ids picks the tokens that have them."""
        return self._ids_of(self.additional_special_tokens)

    @additional_special_tokens_ids.setter
    def additional_special_tokens_ids(self, ids: Sequence[int] | None) -> None:
        tokens = [(index, self._tokenizer.id_to_token(index)) for index in ids or []]
        unknown = [index for index, token in tokens if token is None]
        if unknown:
            raise TokenizerError(f"`additional_special_tokens_ids` {unknown} are not in the vocabulary.")
        self._additional_tokens = [token for _, token in tokens if token is not None]

    # The newer published name of the same list.
    extra_special_tokens = additional_special_tokens
    extra_special_tokens_ids = additional_special_tokens_ids

    @property
    def special_tokens_map(self) -> dict[str, Any]:
        """Name -> token; `additional_special_tokens` -> list, when there are any."""
        return {
            name: [str(token) for token in value] if isinstance(value, list) else str(value)
            for name, value in self.special_tokens_map_extended.items()
        }

    @property
    def special_tokens_map_extended(self) -> dict[str, Any]:
        """Like `special_tokens_map`, with AddedTokens left as they are."""
        named: dict[str, Any] = {name: token for name, token in self._named_tokens.items() if token is not None}
        return (
            {**named, "additional_special_tokens": list(self._additional_tokens)} if self._additional_tokens else named
        )

    @property
    def all_special_tokens_extended(self) -> list[Token]:
        tokens: dict[str, Token] = {}
        for token in [*self._named_tokens.values(), *self._additional_tokens]:
            if token is not None:
                tokens.setdefault(str(token), token)
        return list(tokens.values())

    @property
    def all_special_tokens(self) -> list[str]:
        """Every special token once: the named ones in their published order, then the additional ones."""
        return [str(token) for token in self.all_special_tokens_extended]

    @property
    def all_special_ids(self) -> list[int]:
        return self._ids_of(self.all_special_tokens)

    def _ids_of(self, tokens: Sequence[str]) -> list[int]:
        return [index for index in map(self._id_of, tokens) if index is not None]

    def _id_of(self, token: str) -> int | None:
        """Its id, else that of `unk_token`; None where the vocabulary has neither."""
        ids = (self._tokenizer.token_to_id(each) for each in (token, str(self.unk_token)))
        return next((index for index in ids if index is not None), None)

    # ---- adding --------------------------------------------------------------------------------------------------

    def add_tokens(self, new_tokens: Token | Sequence[Token], special_tokens: bool = False) -> int:
        """Put tokens behind the vocabulary, never to be split; returns how many were not there before: of "", none."""
        tokens = [new_tokens] if isinstance(new_tokens, str | AddedToken) else list(new_tokens)
        tokens = [token for token in tokens if token != ""]
        tokens = checked_tokens(tokens, "new_tokens")
        before = len(self)
        if special_tokens:
            self._tokenizer.add_special_tokens(tokens)
        else:
            self._tokenizer.add_tokens(tokens)
        self._refresh()
        return len(self) - before

    def add_special_tokens(
        self,
        special_tokens_dict: Mapping[str, Any],
        replace_additional_special_tokens: bool = True,
        replace_extra_special_tokens: bool | None = None,
    ) -> int:
        """Set named or additional special tokens, and add to the vocabulary those it lacks; returns how many it lacked.

        Raises: TokenizerError for a key that is no special token.
        """
        replace = (
            replace_additional_special_tokens if replace_extra_special_tokens is None else replace_extra_special_tokens
        )
        named = {key: value for key, value in special_tokens_dict.items() if key in NAMES}
        extra = {key: value for key, value in special_tokens_dict.items() if key not in NAMES}
        unknown = extra.keys() - {"additional_special_tokens", "extra_special_tokens"}
        if unknown:
            allowed = ", ".join([*NAMES, "additional_special_tokens"])
            raise TokenizerError(f"`special_tokens_dict` has the unknown keys {sorted(unknown)}; known are {allowed}.")
        additional = [
            token for tokens in extra.values() for token in checked_tokens(tokens, "additional_special_tokens")
        ]
        named = {name: as_special(name, token) for name, token in named.items()}
        added = self.add_tokens(
            [*named.values(), *(as_special("", token) for token in additional)], special_tokens=True
        )
        if extra:
            kept = (
                []
                if replace
                else [token for token in self._additional_tokens if str(token) not in map(str, additional)]
            )
            self._additional_tokens = kept + additional
        for name, token in named.items():
            self._set_named_token(name, token)
        return added

    def sanitize_special_tokens(self) -> int:
        """Put every special token into the vocabulary; returns how many it lacked."""
        return self.add_tokens(
            [as_special("", token) for token in self.all_special_tokens_extended], special_tokens=True
        )

    def _set_named_token(self, name: str, value: Token | None) -> None:
        """Tells of a token that the vocabulary lacks: it may be added later, and until then its id is that of unk."""
        if value is not None:
            [value] = checked_tokens([value], name)
            if self._tokenizer.token_to_id(str(value)) is None:
                logger.warning(
                    "`%s` %r is not in the vocabulary, and has no id of its own until it is added. "
                    "Run: tokenizer.add_special_tokens({%r: %r})",
                    *(name, str(value), name, str(value)),
                )
        before = self._named_tokens[name]
        self._named_tokens[name] = value
        try:
            self._refresh()
        except TokenizerError:  # such as a pattern that needs the token
            self._named_tokens[name] = before
            raise

    # ---- sequences with special tokens ---------------------------------------------------------------------------

    def template(self, pair: bool = False) -> list[tuple[str, int]]:
        """The pattern as pieces: a named token without its `_token`, or "$A" or "$B", each with a type id."""
        if self.special_tokens_pattern not in PATTERNS:
            known = ", ".join(map(repr, PATTERNS))
            raise TokenizerError(f"`special_tokens_pattern` must be {known}, but is {self.special_tokens_pattern!r}.")
        pieces = (piece.partition(":") for piece in PATTERNS[self.special_tokens_pattern][pair].split())
        return [(name, int(type_id or 0)) for name, _, type_id in pieces]

    def lacking_tokens(self) -> str | None:
        """Which tokens the pattern needs and are not set, as a refusal; None when all are."""
        used = sorted({name for pair in (False, True) for name, _ in self.template(pair) if not name.startswith("$")})
        unset = [f"{name}_token" for name in used if getattr(self, f"{name}_token_id") is None]
        pattern = self.special_tokens_pattern
        return (
            f"The pattern {pattern!r} needs {', '.join(unset)}: set it, and add it to the vocabulary."
            if unset
            else None
        )

    def pattern_processor(self) -> Any:
        """A post-processor that lays sequences out in `special_tokens_pattern`; bare where a token of it is not set."""
        if self.lacking_tokens():
            return processors.TemplateProcessing(single="$A", pair="$A $B:1", special_tokens=[])
        single, both = ([f"{name}:{type_id}" for name, type_id in self.template(pair)] for pair in (False, True))
        used = sorted({piece.partition(":")[0] for piece in (*single, *both) if not piece.startswith("$")})
        special = [
            {"id": name, "ids": [getattr(self, f"{name}_token_id")], "tokens": [getattr(self, f"{name}_token")]}
            for name in used
        ]
        return processors.TemplateProcessing(single=single, pair=both, special_tokens=special)

    def num_special_tokens_to_add(self, pair: bool = False) -> int:
        """How many special tokens stand around one sequence, or around and between two."""
        return sum(not name.startswith("$") for name, _ in self.template(pair))


def checked_tokens(tokens: Sequence[Any], name: str) -> list[Token]:
    """`tokens` as a list, when each is a string that is not empty or an AddedToken.

    Raises: TokenizerError naming those that are neither.
    """
    if isinstance(tokens, str | Mapping) or not isinstance(tokens, Iterable):
        raise TokenizerError(f"`{name}` must be a list of tokens, but is {tokens!r}.")
    bad = [token for token in tokens if not isinstance(token, str | AddedToken) or not str(token)]
    if bad:
        raise TokenizerError(f"`{name}` must be non-empty strings or AddedTokens, but has {bad!r:.200}.")
    return list(tokens)


def as_special(name: str, token: Token) -> AddedToken:
    """The AddedToken of a special token given as a string. A mask takes the space before it, like a word does."""
    if isinstance(token, AddedToken):
        return token
    [token] = checked_tokens([token], name)
    return AddedToken(str(token), lstrip=name == "mask_token", rstrip=False, normalized=False, special=True)
