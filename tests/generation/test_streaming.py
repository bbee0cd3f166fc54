from __future__ import annotations

import asyncio
import threading
from itertools import pairwise
from pathlib import Path
from queue import Empty
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bartleby.errors import OptionError, ShapeError
from bartleby.generation.streaming import (
    AsyncTextIteratorStreamer,
    BaseStreamer,
    TextIteratorStreamer,
    TextPieces,
    TextStreamer,
    settled,
    told_of_errors,
    whole_words,
)
from bartleby.tokenization.blenderbot_small import BlenderbotSmallTokenizer
from bartleby.tokenization.byte_level import BartTokenizer, BlenderbotTokenizer
from bartleby.tokenization.decoding import Decoding

TEXTS = [
    "Hello world, how are you? I'm fine. You don't say!",
    "She 's sure they 've been there .\nLe café est très bon 😀👩‍👩‍👧 é 你好 世界",
]
BART = BartTokenizer().train_new_from_iterator(TEXTS * 4, vocab_size=330)
BLENDERBOT = BlenderbotTokenizer().train_new_from_iterator(TEXTS * 4, vocab_size=330)
SMALL = BlenderbotSmallTokenizer(vocab={"__unk__": 0}, merges=[]).train_new_from_iterator(TEXTS * 4, vocab_size=120)
TOKENIZERS: dict[str, Any] = {"bart": BART, "blenderbot": BLENDERBOT, "small": SMALL}

Texts = st.text(st.one_of(st.sampled_from(" .,!?'\nntmsvred"), st.sampled_from("é你世😀\u200d👩́ñ@")), max_size=30)


def pieces_of(tokenizer: Any, ids: list[int], cuts: list[int], **options: Any) -> list[str]:
    """The pieces that come of `ids` when they come in the runs between `cuts`."""
    pieces = TextPieces(tokenizer, **options)
    bounds = [0, *sorted({min(cut, len(ids)) for cut in cuts}), len(ids)]
    return [*(pieces.add(ids[a:b]) for a, b in pairwise(bounds)), pieces.rest()]


@pytest.mark.parametrize("name", TOKENIZERS)
@pytest.mark.parametrize("cleaned", [True, False, None])
@given(text=Texts, cuts=st.lists(st.integers(0, 60)), skipped=st.booleans())
@example(text="I 'm sure you do n't say ' no ' .", cuts=list(range(60)), skipped=True)
@example(text="👩‍👩‍👧 é\n\n你好。", cuts=list(range(60)), skipped=False)
def test_pieces_joined_are_the_decoded_text(
    name: str, cleaned: bool | None, text: str, cuts: list[int], skipped: bool
) -> None:
    tokenizer = TOKENIZERS[name]
    options = {"clean_up_tokenization_spaces": cleaned, "skip_special_tokens": skipped}
    ids = tokenizer(text)["input_ids"]
    assert "".join(pieces_of(tokenizer, ids, cuts, **options)) == tokenizer.decode(ids, **options)


@pytest.mark.parametrize("name", TOKENIZERS)
@given(data=st.data())
def test_so_are_those_of_ids_that_no_text_has(name: str, data: st.DataObject) -> None:
    tokenizer = TOKENIZERS[name]
    ids = data.draw(st.lists(st.integers(0, len(tokenizer) - 1), max_size=30))
    assert "".join(pieces_of(tokenizer, ids, list(range(30)))) == tokenizer.decode(ids)


@given(st.text(" '.?!,ntmsvrea", max_size=14), st.text(" '.?!,ntmsvrea", max_size=6))
def test_what_is_settled_survives_cleaning_up_what_follows(text: str, more: str) -> None:
    cleaned = Decoding.clean_up_tokenization(text)
    assert Decoding.clean_up_tokenization(text + more).startswith(cleaned[: settled(cleaned, True)])


@given(st.text("é你😀👩\u200d́", max_size=12))
def test_no_piece_holds_a_part_of_a_character(text: str) -> None:
    ids = BART(text, add_special_tokens=False)["input_ids"]
    assert "\ufffd" not in "".join(pieces_of(BART, ids, list(range(100)), clean_up_tokenization_spaces=False)[:-1])


@pytest.mark.parametrize(
    ("text", "cleaned", "length"),
    [
        ("you", True, 3),
        ("you do n", True, 6),
        ("you do n", False, 8),
        ("a '", True, 1),
        ("fo@@", False, 2),
        ("", True, 0),
    ],
)
def test_how_far_a_text_is_settled(text: str, cleaned: bool, length: int) -> None:
    assert settled(text, cleaned) == length


@pytest.mark.parametrize(
    ("text", "length"), [("", 0), ("two wor", 4), ("line\n", 5), ("a 你", 3), ("one ", 4), ("word", 0), ("a 豈", 3)]
)
def test_how_far_a_text_is_whole_words(text: str, length: int) -> None:
    assert whole_words(text) == length


def collected(streamer: TextStreamer, monkeypatch: pytest.MonkeyPatch | None = None) -> list[tuple[str, bool]]:
    """What goes to `on_finalized_text` from now on."""
    seen: list[tuple[str, bool]] = []
    streamer.on_finalized_text = lambda text, stream_end=False: seen.append((text, stream_end))  # type: ignore[method-assign]
    return seen


@given(
    st.one_of(Texts, st.sampled_from(TEXTS)),
    st.booleans(),
    st.lists(st.integers(1, 2), min_size=60, max_size=60),
)
def test_words_come_as_from_the_published_streamer(text: str, skip_prompt: bool, sizes: list[int]) -> None:
    transformers = pytest.importorskip("transformers", reason="the reference library is not installed")
    published = transformers.PreTrainedTokenizerFast(tokenizer_object=BART.backend_tokenizer)
    theirs = transformers.TextStreamer(published, skip_prompt, clean_up_tokenization_spaces=False)
    ours = TextStreamer(BART, skip_prompt, clean_up_tokenization_spaces=False)
    outputs = [collected(theirs), collected(ours)]
    ids = BART(text)["input_ids"]
    for streamer in (theirs, ours):
        streamer.put(np.array([ids[:2]]))
        for index in ids[2:]:
            streamer.put(np.array([index]))
        streamer.end()
    assert outputs[0] == outputs[1]


def test_a_full_stop_is_not_lost_where_spaces_are_cleaned_up() -> None:
    """The published streamer has already counted the space that is then dropped, and with it swallows a letter."""
    streamer = TextStreamer(SMALL)
    seen = collected(streamer)
    for index in SMALL("hello world . how are you ?")["input_ids"]:
        streamer.put([index])
    streamer.end()
    assert "".join(text for text, _ in seen) == "hello world. how are you?"
    assert [text for text, _ in seen if text] == ["hello ", "world. ", "how ", "are ", "you?"]


def test_a_streamer_prints(capsys: pytest.CaptureFixture[str]) -> None:
    streamer = TextStreamer(BART, skip_special_tokens=True)
    streamer.put(np.array([[2, 0]]))
    streamer.put(BART("Hello world", add_special_tokens=False)["input_ids"])
    assert capsys.readouterr().out == "Hello "
    streamer.end()
    assert capsys.readouterr().out == "world\n"


def test_the_prompt_can_be_left_out_each_time(capsys: pytest.CaptureFixture[str]) -> None:
    streamer = TextStreamer(BART, skip_prompt=True)
    for _ in range(2):
        streamer.put(BART("Hello", add_special_tokens=False)["input_ids"])
        streamer.put(BART(" you", add_special_tokens=False)["input_ids"])
        streamer.end()
    assert capsys.readouterr().out == " you\n you\n"


def test_several_sequences_are_refused() -> None:
    with pytest.raises(ShapeError, match="given 2"):
        TextStreamer(BART).put(np.zeros((2, 1), dtype=np.int64))


def test_the_base_class_asks_for_both_methods() -> None:
    with pytest.raises(NotImplementedError, match="must define put"):
        BaseStreamer().put([1])
    with pytest.raises(NotImplementedError, match="must define end"):
        BaseStreamer().end()


def write(streamer: Any, text: str, error: Exception | None = None) -> None:
    """What `generate` does in its thread."""
    with told_of_errors(streamer):
        streamer.put(np.array([[BART.eos_token_id]]))
        for index in BART(text, add_special_tokens=False)["input_ids"]:
            streamer.put(np.array([index]))
        if error is not None:
            raise error
        streamer.end()


def test_another_thread_can_be_read_from() -> None:
    streamer = TextIteratorStreamer(BART, skip_prompt=True, timeout=30)
    threading.Thread(target=write, args=(streamer, "Hello world, how are you?")).start()
    assert "".join(streamer) == "Hello world, how are you?"
    assert streamer.text_queue.empty()


def quietly(*arguments: Any) -> None:
    with pytest.raises(RuntimeError):
        write(*arguments)


def test_an_error_in_the_other_thread_comes_behind_the_text_before_it() -> None:
    streamer = TextIteratorStreamer(BART, skip_prompt=True, timeout=30)
    threading.Thread(target=quietly, args=(streamer, "Hello world", RuntimeError("out of memory"))).start()
    read: list[str] = []
    with pytest.raises(RuntimeError, match="out of memory"):
        read.extend(streamer)
    assert "".join(read) == "Hello world"


def test_a_streamer_that_cannot_fail_is_ended() -> None:
    class Foreign:
        ends = 0

        def put(self, value: Any) -> None: ...

        def end(self) -> None:
            self.ends += 1

    streamer = Foreign()
    with pytest.raises(RuntimeError):
        write(streamer, "Hello", RuntimeError("no"))
    write(streamer, "Hello")
    assert streamer.ends == 2
    with pytest.raises(KeyError), told_of_errors(None):
        raise KeyError


def test_generate_tells_a_reader_what_it_refuses_and_streams_what_it_returns(tiny_chat: Path) -> None:
    pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')
    from bartleby.backends.pytorch.auto import AutoModelForSeq2SeqLM
    from bartleby.tokenization.auto import AutoTokenizer

    model, tokenizer = AutoModelForSeq2SeqLM.from_pretrained(tiny_chat), AutoTokenizer.from_pretrained(tiny_chat)
    ids = tokenizer("hello", return_tensors="pt")["input_ids"]
    streamer = TextIteratorStreamer(tokenizer, timeout=30)
    with pytest.raises(OptionError, match="`streamer` must be None with beams"):
        model.generate(ids, num_beams=2, streamer=streamer)
    with pytest.raises(OptionError, match="`streamer` must be None with beams"):
        list(streamer)
    output = model.generate(ids, num_beams=1, streamer=streamer)
    assert "".join(streamer) == tokenizer.decode(output[0])


def test_waiting_too_long_raises() -> None:
    with pytest.raises(Empty):
        next(TextIteratorStreamer(BART, timeout=0.01))


def test_a_coroutine_can_read_too() -> None:
    async def read(text: str, error: Exception | None = None) -> str:
        streamer = AsyncTextIteratorStreamer(BART, skip_prompt=True, timeout=30)
        target = write if error is None else quietly
        threading.Thread(target=target, args=(streamer, text, error)).start()
        return "".join([piece async for piece in streamer])

    async def wait() -> None:
        await AsyncTextIteratorStreamer(BART, timeout=0.01).__anext__()

    assert asyncio.run(read("Hello world, how are you?")) == "Hello world, how are you?"
    with pytest.raises(RuntimeError, match="out of memory"):
        asyncio.run(read("Hello", RuntimeError("out of memory")))
    with pytest.raises(TimeoutError):
        asyncio.run(wait())
