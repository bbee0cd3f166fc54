"""Strings at which an output stops, found in its tokens without making text of them.

An automaton reads the text byte by byte and knows at each place how much of each stop string it has just read (Aho and
Corasick 1975, "Efficient string matching"). Its steps over bytes are joined into steps over tokens once, when it is
built. Following a row is then one look-up a token, and a device does it for all rows at once.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from bartleby.errors import OptionError, raise_all

Flags = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.integer[Any]]

CONTINUES = "@@"
SPACE = 0x20


class Spelled(Protocol):
    """A tokenizer, as far as this module needs one."""

    def get_vocab(self) -> dict[str, int]: ...
    def convert_tokens_to_string(self, tokens: list[str], /) -> str: ...


@dataclass(frozen=True)
class Spelling:
    """What each token writes."""

    texts: Mapping[int, bytes]
    spaced: frozenset[int]
    """Tokens with a space between them and the next, which belongs to the next: at the end of a text there is none."""


@dataclass(frozen=True)
class StopTable:
    """The automaton over tokens. A row begins in state 0; the last column is for ids that are no token."""

    after: Numbers
    """(states, tokens): the state behind a token."""
    hits: Flags
    """(states, tokens): whether a stop string ends inside a token."""
    window: int
    """How many tokens, counted from the end, can take part in a stop string that ends in the last one."""


def stop_table(tokenizer: Spelled, stop_strings: Sequence[str]) -> StopTable:
    """The automaton that finds `stop_strings` in what `tokenizer` decodes.

    Raises: OptionError if one of them is empty or can never be written, or the tokenizer is of no kind known here.
    """
    spelling = spelling_of(tokenizer)
    check_stop_strings(stop_strings, spelling)
    words = [text.encode() for text in stop_strings]
    if spelling.spaced and getattr(tokenizer, "clean_up_tokenization_spaces", True):
        words += [spaced_out(text).encode() for text in stop_strings]
    steps, ends = byte_steps(words)
    after, hits = _token_steps(steps, ends, spelling)
    return StopTable(after, hits, max(map(len, words)) + bool(spelling.spaced))


def check_stop_strings(stop_strings: Sequence[Any], spelling: Spelling) -> None:
    """Raises: OptionError that names every stop string that cannot be one."""
    alphabet = {SPACE} | {byte for text in spelling.texts.values() for byte in text}
    faults = [] if stop_strings else ["`stop_strings` must hold a string, but is empty."]
    for text in stop_strings:
        if not isinstance(text, str) or not text:
            faults.append(f"`stop_strings` must hold strings that are not empty, but holds {text!r}.")
        elif not alphabet.issuperset(text.encode()):
            unknown = "".join(letter for letter in dict.fromkeys(text) if not alphabet.issuperset(letter.encode()))
            faults.append(
                f"`stop_strings` holds {text!r}, which is never written: no token has {unknown!r}. "
                "Give it as the tokenizer decodes it."
            )
    raise_all(OptionError, faults, "stop strings")


def spelling_of(tokenizer: Spelled) -> Spelling:
    """What the tokens of a byte-level or a subword-nmt vocabulary write; the tokenizer itself shows which it has.

    Raises: OptionError for any other kind.
    """
    vocabulary = tokenizer.get_vocab()
    if tokenizer.convert_tokens_to_string(["Ã©"]).strip() == "é":
        return Spelling({index: _bytes_of(token) for token, index in vocabulary.items()}, frozenset())
    if tokenizer.convert_tokens_to_string(["a@@", "b"]).strip() == "ab":
        texts = {index: token.removesuffix(CONTINUES).encode() for token, index in vocabulary.items()}
        return Spelling(texts, frozenset(i for token, i in vocabulary.items() if not token.endswith(CONTINUES)))
    raise OptionError(
        "stop strings need a byte-level tokenizer or one of Blenderbot-Small's kind, but this "
        f"{type(tokenizer).__name__} is neither. Use the tokenizer of the checkpoint."
    )


def _byte_letters() -> dict[str, int]:
    """The letter that stands for each byte in byte-level vocabularies: itself where it shows, else one from 256 on."""
    shown = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    hidden = [byte for byte in range(256) if byte not in set(shown)]
    return {chr(byte): byte for byte in shown} | {chr(256 + place): byte for place, byte in enumerate(hidden)}


BYTE_LETTERS = _byte_letters()


def _bytes_of(token: str) -> bytes:
    if all(letter in BYTE_LETTERS for letter in token):
        return bytes(BYTE_LETTERS[letter] for letter in token)
    return token.encode()  # an added token is written as it is


def spaced_out(text: str) -> str:
    """`text` before punctuation was pulled to its words: "i'm." -> "i ' m ."."""
    return re.sub(r"(?<=\S)(?=[.,!?'])|(?<=')(?=\S)", " ", text)


def byte_steps(words: Iterable[bytes]) -> tuple[Numbers, Flags]:
    """The automaton over bytes: the state behind each byte (states, 256), and the states in which a word ends."""
    children: list[dict[int, int]] = [{}]
    ends = [False]
    for word in words:
        state = 0
        for byte in word:
            if byte not in children[state]:
                children[state][byte] = len(children)
                children.append({})
                ends.append(False)
            state = children[state][byte]
        ends[state] = True
    steps = np.zeros((len(children), 256), dtype=np.int32)
    shorter = [0] * len(children)  # the state of the longest other word begun by the end of what was read
    waiting = deque([0])
    while waiting:
        state = waiting.popleft()
        steps[state] = steps[shorter[state]]
        ends[state] |= ends[shorter[state]]
        for byte, child in children[state].items():
            shorter[child] = int(steps[state, byte])
            steps[state, byte] = child
            waiting.append(child)
    return steps, np.array(ends)


def _token_steps(steps: Numbers, ends: Flags, spelling: Spelling) -> tuple[Numbers, Flags]:
    """Shapes: steps (s, 256), ends (s,) -> two of (s, v + 1); with spaced tokens (2s, v + 1).

    A state of the second half is one of the first with a space to be read before the next token.
    """
    size, states = max(spelling.texts) + 1, len(steps)
    starts, found = np.arange(states), np.zeros(states, dtype=bool)
    if spelling.spaced:
        starts, found = np.concatenate([starts, steps[:, SPACE]]), np.concatenate([found, ends[steps[:, SPACE]]])
    longest_first = sorted(spelling.texts, key=lambda index: -len(spelling.texts[index]))
    lengths = np.array([len(spelling.texts[index]) for index in longest_first])
    letters = np.zeros((len(lengths), lengths[0]), dtype=np.uint8)
    for row, index in zip(letters, longest_first, strict=True):
        row[: len(spelling.texts[index])] = np.frombuffer(spelling.texts[index], dtype=np.uint8)
    state = np.repeat(starts.astype(np.int32)[:, None], len(lengths), axis=1)
    hit = np.repeat(found[:, None], len(lengths), axis=1)
    for place in range(lengths[0]):
        count = int((lengths > place).sum())  # shorter tokens are read to their end
        state[:, :count] = steps[state[:, :count], letters[:count, place]]
        hit[:, :count] |= ends[state[:, :count]]
    state += np.where([index in spelling.spaced for index in longest_first], states, 0).astype(np.int32)
    after = np.zeros((len(starts), size + 1), dtype=np.int32)
    hits = np.zeros((len(starts), size + 1), dtype=bool)
    after[:, longest_first], hits[:, longest_first] = state, hit
    return after, hits
