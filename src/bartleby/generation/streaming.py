"""Text while it is being written: from ids, as they come, to pieces of text that never have to be taken back.

The text of some ids may end in what later ids change: half a character, half a word of Blenderbot-Small, a space that
is dropped when a full stop follows. `settled` says how far a text can be trusted; the rest is held back, so that all
pieces joined are the decoded whole, letter by letter.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from queue import Queue
from typing import Any, Protocol, Self

from bartleby.errors import ShapeError

# What ids to come may change: bytes that are no character yet, and `@@`, which joins the next token to this one.
UNFINISHED = re.compile(r"[@\ufffd]+\Z")
# Cleaning up drops spaces before punctuation and contractions ("n't", "'ve", "'re" …), which may be half written.
UNCLEANED = re.compile(r"(?:[ '][ 'nvr@\ufffd]*|[@\ufffd]+)\Z")
IDEOGRAPHS = (
    ("\u3400", "\u4dbf"),
    ("\u4e00", "\u9fff"),
    ("\uf900", "\ufaff"),
    ("\U00020000", "\U0002a6df"),
    ("\U0002a700", "\U0002ceaf"),
    ("\U0002f800", "\U0002fa1f"),
)


class Decodes(Protocol):
    """A tokenizer, as far as this module needs one."""

    def decode(self, token_ids: Any, /, **options: Any) -> Any: ...


def settled(text: str, is_cleaned: bool) -> int:
    """How many characters of `text` stay as they are, whatever ids follow."""
    pending = (UNCLEANED if is_cleaned else UNFINISHED).search(text)
    return len(text) if pending is None else pending.start()


def whole_words(text: str) -> int:
    """How many characters of `text` are whole words: all before a newline or behind one of the signs that are words."""
    return len(text) if text.endswith("\n") or is_ideograph(text[-1:]) else text.rfind(" ") + 1


def is_ideograph(letter: str) -> bool:
    """Whether a letter is a Chinese character, by Unicode's blocks of unified and compatibility ideographs."""
    return any(first <= letter <= last for first, last in IDEOGRAPHS)


def ids_of(value: Any) -> list[int]:
    """The ids of one sequence: a list, an array, a tensor, with or without an axis for the batch.

    Raises: ShapeError for several sequences.
    """
    listed = value.tolist() if callable(getattr(value, "tolist", None)) else value
    ids = [listed] if isinstance(listed, int) else list(listed)
    if len(ids) == 1 and isinstance(ids[0], list | tuple):
        ids = list(ids[0])
    if any(isinstance(index, list | tuple) for index in ids):
        raise ShapeError(f"A streamer writes one sequence, but was given {len(ids)}. Stream with batch size 1.")
    return [int(index) for index in ids]


class TextPieces:
    """The text of a growing sequence, piece by piece, each as early as it is certain."""

    def __init__(self, tokenizer: Decodes, **decode_kwargs: Any) -> None:
        self.tokenizer = tokenizer
        self.decode_kwargs = decode_kwargs
        self.token_cache: list[int] = []
        self.print_len = 0

    def add(self, ids: Any) -> str:
        """What the next ids make certain; "" while they do not."""
        self.token_cache.extend(ids_of(ids))
        text = self._text()
        start, self.print_len = self.print_len, max(self.print_len, self._ready(text[: settled(text, self.is_cleaned)]))
        return text[start : self.print_len]

    def rest(self) -> str:
        """What was held back, now that nothing follows; a new sequence may begin."""
        piece = self._text()[self.print_len :] if self.token_cache else ""
        self.token_cache, self.print_len = [], 0
        return piece

    @property
    def is_cleaned(self) -> bool:
        """Whether decoding cleans up; taken for granted where the tokenizer does not say."""
        asked = self.decode_kwargs.get("clean_up_tokenization_spaces")
        own = getattr(self.tokenizer, "clean_up_tokenization_spaces", True) if asked is None else asked
        return own is None or bool(own)

    def _ready(self, text: str) -> int:
        return len(text)

    def _text(self) -> str:
        return str(self.tokenizer.decode(self.token_cache, **self.decode_kwargs))


class BaseStreamer:
    """What `generate` tells of its progress; a streamer of one's own is a subclass."""

    def put(self, value: Any) -> None:
        """Take the ids of the prompt, then of each token as it is written."""
        raise NotImplementedError(f"{type(self).__name__} must define put(value).")

    def end(self) -> None:
        """Everything is written."""
        raise NotImplementedError(f"{type(self).__name__} must define end().")

    def fail(self, error: BaseException) -> None:
        """Writing broke off. `generate` raises the error too; here it may be handed to who reads the stream."""
        self.end()


@contextmanager
def told_of_errors(streamer: Any) -> Iterator[None]:
    """Let the streamer know when the block breaks off: who waits for text must not wait for ever.

    `streamer` may be None, or an object with `put` and `end` alone, which is ended.
    """
    try:
        yield
    except BaseException as error:
        if streamer is not None:
            streamer.fail(error) if hasattr(streamer, "fail") else streamer.end()
        raise


class TextStreamer(TextPieces, BaseStreamer):
    """Prints what is written, word by word: a line at once when it ends, Chinese characters one by one."""

    def __init__(self, tokenizer: Decodes, skip_prompt: bool = False, **decode_kwargs: Any) -> None:
        """`decode_kwargs` go to the tokenizer's `decode`: skip_special_tokens …"""
        super().__init__(tokenizer, **decode_kwargs)
        self.skip_prompt = skip_prompt
        self.next_tokens_are_prompt = True

    def put(self, value: Any) -> None:
        """As BaseStreamer.put. Raises: ShapeError for a batch of several."""
        ids = ids_of(value)
        is_prompt, self.next_tokens_are_prompt = self.next_tokens_are_prompt, False
        if not (is_prompt and self.skip_prompt):
            self.on_finalized_text(self.add(ids))

    def end(self) -> None:
        self.next_tokens_are_prompt = True
        self.on_finalized_text(self.rest(), stream_end=True)

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        """Do something with the next piece, which may be empty; here, print it. Subclasses do other things."""
        print(text, flush=True, end="\n" if stream_end else "")

    def _ready(self, text: str) -> int:
        return self.print_len + whole_words(text[self.print_len :])


class TextIteratorStreamer(TextStreamer):
    """An iterator over what is written, for a thread that reads while another one runs `generate`.

    An error in `generate` is raised here as well, behind the text written until then.
    """

    def __init__(
        self, tokenizer: Decodes, skip_prompt: bool = False, timeout: float | None = None, **decode_kwargs: Any
    ) -> None:
        """`timeout`: how many seconds to wait for the next piece before queue.Empty is raised; None: for ever."""
        super().__init__(tokenizer, skip_prompt, **decode_kwargs)
        self.text_queue: Queue[Any] = Queue()
        self.stop_signal: Any = None
        self.timeout = timeout

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        self.text_queue.put(text, timeout=self.timeout)
        if stream_end:
            self.text_queue.put(self.stop_signal, timeout=self.timeout)

    def fail(self, error: BaseException) -> None:
        self.next_tokens_are_prompt = True
        self.on_finalized_text(self.rest())
        self.text_queue.put(error)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        value = self.text_queue.get(timeout=self.timeout)
        if value == self.stop_signal:
            raise StopIteration
        return _text_or_error(value)


class AsyncTextIteratorStreamer(TextStreamer):
    """An asynchronous iterator over what is written, for a coroutine that reads while a thread runs `generate`.

    To be made inside a coroutine. An error in `generate` is raised here as well, behind the text written until then.
    """

    def __init__(
        self, tokenizer: Decodes, skip_prompt: bool = False, timeout: float | None = None, **decode_kwargs: Any
    ) -> None:
        """`timeout`: how many seconds to wait for the next piece before TimeoutError is raised; None: for ever."""
        super().__init__(tokenizer, skip_prompt, **decode_kwargs)
        self.text_queue: asyncio.Queue[Any] = asyncio.Queue()
        self.stop_signal: Any = None
        self.timeout = timeout
        self.loop = asyncio.get_running_loop()

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        self._send(text)
        if stream_end:
            self._send(self.stop_signal)

    def fail(self, error: BaseException) -> None:
        self.next_tokens_are_prompt = True
        self.on_finalized_text(self.rest())
        self._send(error)

    def _send(self, value: Any) -> None:
        self.loop.call_soon_threadsafe(self.text_queue.put_nowait, value)

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        async with asyncio.timeout(self.timeout):
            value = await self.text_queue.get()
        if value == self.stop_signal:
            raise StopAsyncIteration
        return _text_or_error(value)


def _text_or_error(value: Any) -> str:
    if isinstance(value, BaseException):
        raise value
    return str(value)
