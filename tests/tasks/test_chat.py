from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from importlib.util import find_spec

import pytest

from bartleby.errors import DataError, LengthError, OptionError
from bartleby.family.config import BartConfig, BlenderbotConfig
from bartleby.family.turns import TurnLayout
from bartleby.generation.beams import Hypothesis
from bartleby.generation.config import GenerationConfig
from bartleby.tasks.chat import Chat, Conversation, Reply
from bartleby.tokenization.auto import AutoTokenizer
from tests.tiny_chat import POSITIONS


class Parrot:
    """A backend that keeps what it was asked and always gives the answer it was taught."""

    name = "parrot"

    def __init__(self, answer: Sequence[int], config=None) -> None:
        self.config = config or BlenderbotConfig(max_position_embeddings=POSITIONS)
        self.generation_config = GenerationConfig(max_new_tokens=7)
        self.answer = tuple(answer)
        self.asked: list[list[int]] = []
        self.seeds: list[int | None] = []

    def generate(self, input_ids, options, seed=None):
        self.asked += input_ids
        self.seeds.append(seed)
        return [[Hypothesis(self.answer, -0.5, "eos"), Hypothesis((3,), -0.9, "length")] for _ in input_ids]


@pytest.fixture(scope="module")
def tokenizer(tiny_chat):
    return AutoTokenizer.from_pretrained(tiny_chat)


@pytest.fixture
def parrot(tokenizer):
    return Parrot(tokenizer(" i have two cats.")["input_ids"])


@pytest.fixture
def chat(parrot, tokenizer):
    return Chat(parrot, tokenizer)


def seen(chat: Chat) -> str:
    """The text behind the ids that the model was last asked about."""
    return chat.tokenizer.decode(chat.backend.asked[-1], skip_special_tokens=True, clean_up_tokenization_spaces=False)


def test_a_reply_is_the_best_hypothesis_as_text_without_special_tokens(chat):
    reply = chat.reply("do you have any pets?")
    assert reply.text == str(reply) == "i have two cats."
    assert (reply.score, reply.finish_reason, reply.tokens) == (-0.5, "eos", len(chat.backend.answer))


def test_the_model_sees_what_was_said_before_in_its_layout(chat):
    chat.reply("hello")
    chat.reply("  and what are they called?\n")
    assert seen(chat) == " hello  i have two cats.   and what are they called?"
    assert chat.conversation.turns[::2] == ["hello", "and what are they called?"]


def test_a_persona_comes_first_and_stays_after_a_reset(parrot, tokenizer):
    chat = Chat(parrot, tokenizer, conversation=Conversation(personas=("i am a cat.", " i like milk. ")))
    chat.reply("hello")
    chat.reset()
    chat.reply("hi")
    assert seen(chat) == " your persona: i am a cat.\nyour persona: i like milk.\n hi"
    assert len(chat.conversation.turns) == 2


def test_another_layout_can_be_asked_for(parrot, tokenizer):
    chat = Chat(parrot, tokenizer, TurnLayout(" | ", turns_kept=1))
    chat.reply("hello")
    reply = chat.reply("again")
    assert seen(chat) == " again"
    assert reply.older_turns == 2


def test_the_oldest_turns_are_dropped_and_the_caller_is_told(chat):
    replies = [chat.reply("i work in a library and read all day long.") for _ in range(6)]
    assert replies[0].dropped_turns == replies[0].dropped_tokens == 0
    assert replies[-1].dropped_turns > 0
    assert replies[-1].dropped_tokens > 0
    assert all(len(ids) <= POSITIONS for ids in chat.backend.asked)
    assert [reply.source_tokens for reply in replies] == [len(ids) for ids in chat.backend.asked]
    assert len(chat.conversation.turns) == 12  # dropped from what the model sees, not from what was said


def test_a_message_too_long_for_the_model_is_refused_and_not_remembered(chat):
    chat.reply("hello")
    with pytest.raises(LengthError, match=f"must fit {POSITIONS} tokens"):
        chat.reply("cats and dogs " * POSITIONS)
    assert chat.conversation.turns == ["hello", "i have two cats."]


@pytest.mark.parametrize("text", ["", "   ", "\n\t\u3000"])
def test_a_message_without_text_is_refused(chat, text):
    with pytest.raises(DataError, match="A message must have text"):
        chat.reply(text)
    assert chat.backend.asked == []


def test_bytes_that_are_no_text_are_refused(chat):
    with pytest.raises(DataError, match="lone surrogate at 2"):
        chat.reply("hi\udcff")


def test_a_conversation_can_be_taken_up_again(parrot, tokenizer):
    chat = Chat(parrot, tokenizer, conversation=Conversation(["hello", "hi there"]))
    chat.reply("bye")
    assert seen(chat) == " hello  hi there   bye"


@pytest.mark.parametrize(
    ("turns", "personas", "complaint"),
    [
        (["hello"], (), "must end with a reply"),
        (["", "hi"], (), "A turn must have text"),
        ([], ("i am a cat.\ni like milk.",), "must be one line"),
        ([], ("",), "A persona line must have text"),
        ([], "i am a cat.", r"must be a list of lines, but is one text. Pass \['i am a cat.'\]"),
        ([5, "hi"], (), r"A turn must be a text, but is 5 \(int\)"),
    ],
)
def test_a_conversation_that_cannot_have_happened_is_refused(turns, personas, complaint):
    with pytest.raises(DataError, match=complaint):
        Conversation(turns, personas)


def test_the_seed_reaches_the_backend(chat):
    chat.reply("hello", seed=7)
    chat.reply("hello")
    assert chat.backend.seeds == [7, None]


def test_a_model_that_is_none_for_conversation_is_refused(parrot, tokenizer):
    with pytest.raises(OptionError, match="turn layout"):
        Chat(Parrot([4], BartConfig()), tokenizer)


def test_a_reply_shows_what_matters_about_it():
    reply = Reply("i see.", -0.25, "eos", 4, 20, 0, 0, 0, 0.5)
    assert repr(reply) == "Reply('i see.', score -0.25, 4 tokens in 0.50 s)"
    cut = dataclasses.replace(reply, finish_reason="length", dropped_turns=2, dropped_tokens=31)
    assert repr(cut).endswith("stopped by length, 2 turns (31 tokens) dropped)")


def test_a_loaded_checkpoint_decodes_as_it_wants_to_unless_told_otherwise(tiny_chat):
    assert Chat.load(tiny_chat, backend="plain").options.num_beams == 2
    told = Chat.load(tiny_chat, backend="plain", num_beams=1, max_new_tokens=3)
    assert (told.options.num_beams, told.options.no_repeat_ngram_size) == (1, 2)
    assert told.reply("hello").tokens <= 3


def test_an_unknown_option_is_refused_with_the_one_that_was_meant(tiny_chat):
    with pytest.raises(OptionError, match="Did you mean `num_beams`"):
        Chat.load(tiny_chat, backend="plain", num_beam=3)


def test_the_same_conversation_gets_the_same_reply(tiny_chat):
    first, second = (Chat.load(tiny_chat, backend="plain").reply("hello, how are you?") for _ in range(2))
    assert (first.text, first.score) == (second.text, second.score)


def test_samples_repeat_with_their_seed_and_differ_with_another(tiny_chat):
    def say(seed: int) -> str:
        return Chat.load(tiny_chat, backend="plain", num_beams=1, do_sample=True).reply("hello", seed=seed).text

    assert say(3) == say(3)
    assert len({say(seed) for seed in range(4)}) > 1


def test_both_backends_say_the_same(tiny_chat):
    if find_spec("torch") is None:
        pytest.skip('needs PyTorch. Run: pip install "bartleby[torch]"')
    plain, torch = (Chat.load(tiny_chat, backend=backend) for backend in ("plain", "pytorch"))
    for message in ("hello, how are you?", "do you like dogs?"):
        expected, reply = plain.reply(message), torch.reply(message)
        assert reply.text == expected.text
        assert reply.score == pytest.approx(expected.score, abs=1e-4)
