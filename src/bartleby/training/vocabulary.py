"""A vocabulary of one's own, with its special tokens where the published one has them."""

from __future__ import annotations

from collections.abc import Iterable

from bartleby.tokenization.base import PreTrainedTokenizer
from bartleby.tokenization.byte_level import BartTokenizer


def learn_tokenizer(kind: type[PreTrainedTokenizer], texts: Iterable[str], size: int) -> PreTrainedTokenizer:
    """A tokenizer of this kind for `size` entries, fewer if the texts do not give so many.

    Raises: TokenizerError if `size` does not hold the special tokens and single symbols.
    """
    learnt = kind().train_new_from_iterator(texts, size)
    return mask_last(learnt) if isinstance(learnt, BartTokenizer) else learnt


def mask_last(tokenizer: BartTokenizer) -> BartTokenizer:
    """The same with `<mask>` behind everything, as BART's vocabulary has it: `<s> <pad> </s> <unk> … <mask>`.

    There a model that is done with masks can do without its row (bart-large-cnn does), and all other ids stay.
    """
    mask, ids = str(tokenizer.mask_token), tokenizer.get_vocab()
    tokens = sorted(ids, key=lambda token: (token == mask, ids[token]))
    vocabulary = {token: index for index, token in enumerate(tokens)}
    return type(tokenizer)(vocabulary, list(tokenizer.bpe_ranks))
