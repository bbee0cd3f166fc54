"""Text to ids and back: the tokenizers of the three models.

`encoding` is what a tokenizer answers; `base` is every tokenizer, put together from `special_tokens`, `calling` (in),
`assembling`, `decoding` (out), `chat_template` and `saving`; `byte_level` and `blenderbot_small` are the models' own.
"""

from bartleby.tokenization.auto import AutoTokenizer
from bartleby.tokenization.base import PreTrainedTokenizer, PreTrainedTokenizerFast
from bartleby.tokenization.blenderbot_small import BlenderbotSmallTokenizer, BlenderbotSmallTokenizerFast
from bartleby.tokenization.byte_level import (
    BartTokenizer,
    BartTokenizerFast,
    BlenderbotTokenizer,
    BlenderbotTokenizerFast,
    RobertaTokenizer,
    RobertaTokenizerFast,
)
from bartleby.tokenization.encoding import BatchEncoding, CharSpan, TokenSpan
from bartleby.tokenization.lengths import PaddingStrategy, TruncationStrategy

__all__ = [
    "AutoTokenizer",
    "BartTokenizer",
    "BartTokenizerFast",
    "BatchEncoding",
    "BlenderbotSmallTokenizer",
    "BlenderbotSmallTokenizerFast",
    "BlenderbotTokenizer",
    "BlenderbotTokenizerFast",
    "CharSpan",
    "PaddingStrategy",
    "PreTrainedTokenizer",
    "PreTrainedTokenizerFast",
    "RobertaTokenizer",
    "RobertaTokenizerFast",
    "TokenSpan",
    "TruncationStrategy",
]
