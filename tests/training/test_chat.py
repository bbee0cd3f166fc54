from dataclasses import replace
from types import SimpleNamespace

import pytest

from bartleby.errors import OptionError
from bartleby.family.presets import PRESETS
from bartleby.family.turns import LAYOUTS
from bartleby.generation.config import GenerationConfig
from bartleby.tasks.chat import Chat
from bartleby.tokenization.byte_level import BlenderbotTokenizer
from bartleby.training.chat import ChatExamples, ChatRecipe
from bartleby.training.records import Dialogue

TALK = Dialogue(("Hi!", "Hello there.", "How are you?", "Fine.", "Good to hear."))
PERSONS = Dialogue(("Who are you?", "A pilot.", "Nice."), (("I ask.",), ("I fly.", "I land.")))


@pytest.fixture(scope="module")
def tokenizer() -> BlenderbotTokenizer:
    return BlenderbotTokenizer().train_new_from_iterator([*TALK.turns, *PERSONS.turns], vocab_size=300)


def learnt(examples: ChatExamples, *dialogues: Dialogue) -> list[tuple[str, str]]:
    """Sources and replies as text."""
    pairs = examples.pairs(dialogues)
    sources, targets = pairs.rows("source"), pairs.rows("target")
    decode = examples.tokenizer.decode
    return [(decode(source), decode(target)) for source, target in zip(sources, targets, strict=True)]


def test_each_reply_is_learnt_from_the_last_three_turns(tokenizer: BlenderbotTokenizer) -> None:
    assert learnt(ChatExamples(tokenizer, ChatRecipe()), TALK) == [
        (" Hi!</s>", " Hello there.</s>"),
        (" Hi!   Hello there.</s>", " How are you?</s>"),
        (" Hi!  Hello there.   How are you?</s>", " Fine.</s>"),
        (" Hello there.  How are you?   Fine.</s>", " Good to hear.</s>"),
    ]


def test_a_chat_shows_the_model_what_it_was_taught_to_see(tokenizer: BlenderbotTokenizer) -> None:
    examples = ChatExamples(tokenizer, ChatRecipe(persona_share=1.0))
    sources = examples.pairs([PERSONS, TALK]).rows("source")
    persona, talk = sources[0], sources[-1]
    model = SimpleNamespace(config=PRESETS["bartleby-chat-mini"].config, generation_config=GenerationConfig())
    chat = Chat(model, tokenizer, LAYOUTS["last_three"])  # type: ignore[arg-type]
    assert tokenizer(chat.source(TALK.turns[:4]).text)["input_ids"] == talk
    chat.conversation = replace(chat.conversation, personas=PERSONS.personas[1])
    assert tokenizer(chat.source(PERSONS.turns[:1]).text)["input_ids"] == persona


def test_whoever_replies_shows_their_own_persona(tokenizer: BlenderbotTokenizer) -> None:
    examples = ChatExamples(tokenizer, ChatRecipe(persona_share=1.0))
    assert learnt(examples, PERSONS) == [
        (" your persona: I fly.\nyour persona: I land.\n Who are you?</s>", " A pilot.</s>"),
        (" your persona: I ask.\nWho are you?   A pilot.</s>", " Nice.</s>"),
    ]
    assert examples.report.with_persona == 2


def test_the_share_of_personas_is_drawn_from_the_seed(tokenizer: BlenderbotTokenizer) -> None:
    def shown(seed: int) -> list[bool]:
        examples = ChatExamples(tokenizer, ChatRecipe(persona_share=0.5, seed=seed))
        return ["persona" in source for source, _ in learnt(examples, *[PERSONS] * 100)]

    assert shown(0) == shown(0) != shown(1)
    assert 70 < sum(shown(0)) < 130


def test_whole_oldest_turns_go_when_they_do_not_fit(tokenizer: BlenderbotTokenizer) -> None:
    whole = len(tokenizer(" Hello there.  How are you?   Fine.")["input_ids"])
    examples = ChatExamples(tokenizer, ChatRecipe(source_tokens=whole - 1))
    assert learnt(examples, TALK)[-1][0] == " How are you?   Fine.</s>"
    assert examples.report.shortened == 2


def test_what_is_left_out_is_counted(tokenizer: BlenderbotTokenizer) -> None:
    longest = len(tokenizer("How are you?")["input_ids"])
    examples = ChatExamples(tokenizer, ChatRecipe(source_tokens=longest - 1, target_tokens=longest - 1))
    replies = [reply for _, reply in learnt(examples, TALK)]
    assert " How are you?</s>" not in replies  # too long to learn
    assert " Fine.</s>" not in replies  # what it answers is too long to show
    report = examples.report
    assert (report.examples + report.long_replies + report.long_last_turns, report.examples) == (4, len(replies))
    assert report.long_replies >= 1
    assert report.long_last_turns >= 1
    assert f"{report.long_replies} replies that are too long" in report.told()


def test_all_faults_of_a_recipe_are_named_at_once() -> None:
    with pytest.raises(OptionError, match=r"(?s)`source_tokens`.*`target_tokens`.*`persona_share`.*`layout`"):
        ChatRecipe(layout="sonnet", source_tokens=1, target_tokens=0, persona_share=2)
