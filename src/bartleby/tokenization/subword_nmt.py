"""Vocabularies of the subword-nmt kind, where `foo@@` goes on and `foo` ends a word, on the tokenizers library's BPE.

That library joins symbols by plain concatenation and can mark the end of a word, not its inside. So merges work on
symbols, `foo` inside a word and `foo</w>` at its end, as merges.txt writes them, and finished rows get the published
tokens and ids. Several symbols may stand for one published token: inner `foo` and final `foo@@</w>` are both "foo@@",
and everything that vocab.json lacks is unk, also pieces that only lead to longer ones.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tokenizers import AddedToken, Encoding, Tokenizer, models, trainers

from bartleby.errors import TokenizerError
from bartleby.tokenization.files import Merges, Vocabulary, merges_of

CONTINUES = "@@"
END = "</w>"
UNKNOWN = " "  # the symbol of an unknown character: no word holds a space, so no merge makes it
FIRST_NUMBER = 1 << 24  # of symbols; added tokens are numbered from 0, so that a symbol "hello" is never taken for one


def token_of(symbol: str) -> str:
    """The published token of a symbol: "foo" -> "foo@@", "foo</w>" -> "foo"."""
    return symbol.removesuffix(END) if symbol.endswith(END) else symbol + CONTINUES


def text_of(tokens: Iterable[str]) -> str:
    """The text of published tokens: a space after each that does not go on."""
    return " ".join(tokens).replace(CONTINUES + " ", "").strip()


@dataclass(frozen=True)
class Subwords:
    """Merges as a BPE model, and the published token of each of its symbols' numbers."""

    model: models.BPE
    tokens: Mapping[int, str]

    @classmethod
    def build(cls, vocabulary: Iterable[str], merges: Merges) -> Subwords:
        """The model of published tokens and merges."""
        letters = (token[0] if token[1:] else token + END for token in vocabulary if token[1:] in ("", CONTINUES))
        parts = (symbol for first, second in merges for symbol in (first, second, first + second))
        symbols = list(dict.fromkeys([UNKNOWN, *letters, *parts]))
        numbers = {symbol: FIRST_NUMBER + place for place, symbol in enumerate(symbols)}
        model = models.BPE(vocab=numbers, merges=merges, unk_token=UNKNOWN, end_of_word_suffix=END)
        return cls(model, {number: token_of(symbol) for symbol, number in numbers.items()})


@dataclass(frozen=True)
class Splitting:
    """How text becomes words: a normalizer, then a pre-tokenizer, of the tokenizers library."""

    normalizer: Any
    pre_tokenizer: Any

    def tokenizer(self) -> Tokenizer:
        """One that splits so and knows nothing yet."""
        tokenizer = Tokenizer(models.BPE(end_of_word_suffix=END))
        tokenizer.normalizer, tokenizer.pre_tokenizer = self.normalizer, self.pre_tokenizer
        return tokenizer


class SubwordEncoder:
    """Encodes texts; offers what `rows.Pipeline` asks of a tokenizer."""

    def __init__(self, subwords: Subwords, splitting: Splitting, published: Tokenizer, unk_token: str) -> None:
        """`published` knows the published ids, and the added tokens, which are split out of the text first."""
        vocabulary = published.get_vocab(with_added_tokens=True)
        unknown = vocabulary[unk_token]
        ids = {number: vocabulary.get(token, unknown) for number, token in subwords.tokens.items()}
        self._tokenizer = splitting.tokenizer()
        for token in published.get_added_tokens_decoder().values():
            # Added while the model is empty: otherwise a symbol of the same letters would lend the token its number.
            add = self._tokenizer.add_special_tokens if token.special else self._tokenizer.add_tokens
            add([as_written(token)])
        added = self._tokenizer.get_added_tokens_decoder()
        ids |= {number: vocabulary[token.content] for number, token in added.items()}
        tokens = {index: json.dumps(token) for token, index in vocabulary.items()}
        self._entries = {number: (str(index), tokens[index]) for number, index in ids.items()}
        """Number of a symbol or added token -> its published id and token, as JSON."""
        self._tokenizer.encode_special_tokens = published.encode_special_tokens
        self._tokenizer.model = subwords.model

    def encode_batch(
        self, texts: Sequence[Any], is_pretokenized: bool = False, add_special_tokens: bool = False
    ) -> list[Encoding]:
        """The texts as encodings that hold published ids and tokens."""
        rows = self._tokenizer.encode_batch(texts, is_pretokenized, add_special_tokens)
        return [self._publish(row) for row in rows]

    def _publish(self, row: Encoding) -> Encoding:
        # An Encoding cannot be changed, but its pickled state is JSON: ids, type_ids, tokens, words and more, in this
        # order. Splicing takes a third of the time of parsing; what stands before and after the tokens is all numbers.
        _, _, state = row.__getstate__().partition(b',"type_ids":')
        type_ids, _, state = state.partition(b',"tokens":')
        _, _, rest = state.rpartition(b',"words":')
        entries = [self._entries[number] for number in row.ids]
        ids, tokens = ",".join([index for index, _ in entries]), ",".join([token for _, token in entries])
        published = Encoding()
        start = f'{{"ids":[{ids}],"type_ids":{type_ids.decode()},"tokens":[{tokens}],"words":'
        published.__setstate__(start.encode() + rest)
        return published


def as_written(token: AddedToken) -> AddedToken:
    """The token, to be found in the text as it was written, before it is lower-cased."""
    return AddedToken(
        token.content,
        single_word=token.single_word,
        lstrip=token.lstrip,
        rstrip=token.rstrip,
        normalized=False,
        special=token.special,
    )


@dataclass(frozen=True)
class Lesson:
    """What a vocabulary is to hold, beside what is learnt."""

    vocab_size: int
    special_tokens: Sequence[str]
    """First in the vocabulary; where they stand in a text, nothing is learnt."""

    words: Sequence[str] = ()
    """Next in the vocabulary: words that are one token whatever the texts hold."""

    trainer_options: Mapping[str, Any] = field(default_factory=dict)

    def learn(self, splitting: Splitting, texts: Iterable[Any], length: int | None) -> tuple[Vocabulary, Merges]:
        """A vocabulary and merges learnt from texts, or batches of them.

        Raises: TokenizerError when `vocab_size` does not hold the special tokens and the alphabet.
        """
        chains = [merge for word in self.words for merge in chain(word)]
        fixed = [*self.special_tokens, *self.words, *(token_of(first + second) for first, second in chains)]
        fixed = list(dict.fromkeys(fixed))
        size = max(self.vocab_size - len(fixed), 0)
        options = {"show_progress": False, **self.trainer_options, "vocab_size": size, "end_of_word_suffix": END}
        tokenizer = splitting.tokenizer()
        tokenizer.train_from_iterator(self._cleared(texts), trainers.BpeTrainer(**options), length)
        learnt = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
        tokens = list(dict.fromkeys([*fixed, *(token_of(symbol) for symbol, _ in learnt)]))
        if len(tokens) > self.vocab_size:
            raise TokenizerError(
                f"`vocab_size` must be at least {len(tokens)}, the special tokens and the texts' characters, but is "
                f"{self.vocab_size}. A `limit_alphabet` of the trainer leaves rare characters unknown."
            )
        # What is learnt once more keeps its early place: a late one could let other merges break up a fixed word.
        merges = list(dict.fromkeys([*chains, *merges_of(tokenizer)]))
        return {token: index for index, token in enumerate(tokens)}, merges

    def _cleared(self, texts: Iterable[Any]) -> Iterator[Any]:
        fixed = re.compile("|".join(map(re.escape, [*self.special_tokens, *self.words, "\n"])))
        for text in texts:
            yield fixed.sub(" ", text) if isinstance(text, str) else [fixed.sub(" ", part) for part in text]


def chain(word: str) -> Merges:
    """The merges that make one symbol of a word, from its end to its beginning."""
    return [(word[place], word[place + 1 :] + END) for place in reversed(range(len(word) - 1))]
