import importlib.util
from typing import Any

import pytest

from bartleby.errors import MissingExtraError, TokenizerError
from bartleby.tokenization.byte_level import BartTokenizer, BlenderbotTokenizer

CHAT = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "Hello!"},
    {"role": "assistant", "content": "Hello, friend."},
]
ROLES = "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}"


def test_blenderbot_puts_two_spaces_between_turns_and_one_before_a_user(blenderbot: BlenderbotTokenizer) -> None:
    assert blenderbot.apply_chat_template(CHAT, tokenize=False) == "Be kind.   Hello!  Hello, friend.</s>"


def test_the_text_is_encoded_as_it_is(blenderbot: BlenderbotTokenizer) -> None:
    text = blenderbot.apply_chat_template(CHAT, tokenize=False)
    wanted = blenderbot(text, add_special_tokens=False)
    assert blenderbot.apply_chat_template(CHAT) == wanted
    assert blenderbot.apply_chat_template(CHAT, return_dict=False) == wanted["input_ids"]
    assert wanted["input_ids"].count(blenderbot.eos_token_id) == 1


def test_a_list_of_chats_is_a_batch(blenderbot: BlenderbotTokenizer) -> None:
    texts = blenderbot.apply_chat_template([CHAT[:1], CHAT[:2]], tokenize=False)
    assert texts == ["Be kind.</s>", "Be kind.   Hello!</s>"]
    batch = blenderbot.apply_chat_template([CHAT[:1], CHAT[:2]], padding=True, return_tensors="np")
    assert batch["input_ids"].shape[0] == 2
    short = blenderbot.apply_chat_template([CHAT[:1], CHAT[:2]], truncation=True, max_length=3)
    assert [len(row) for row in short["input_ids"]] == [3, 3]


def test_templates_come_from_the_call_the_tokenizer_or_the_class(bart: BartTokenizer) -> None:
    with pytest.raises(TokenizerError, match="BartTokenizer has no chat template"):
        bart.apply_chat_template(CHAT)
    assert bart.apply_chat_template(CHAT[:1], chat_template=ROLES, tokenize=False) == "system: Be kind.\n"
    bart.chat_template = ROLES
    assert bart.apply_chat_template(CHAT[:1], tokenize=False) == "system: Be kind.\n"
    bart.chat_template = {"default": ROLES, "short": "{{ messages | length }}", "tool_use": "{{ tools[0].name }}"}
    assert bart.apply_chat_template(CHAT, chat_template="short", tokenize=False) == "3"
    assert bart.apply_chat_template(CHAT[:1], tokenize=False) == "system: Be kind.\n"
    assert bart.apply_chat_template(CHAT, tools=[{"name": "clock"}], tokenize=False) == "clock"
    del bart.chat_template["default"]
    with pytest.raises(TokenizerError, match="short, tool_use"):
        bart.apply_chat_template(CHAT)


def test_a_template_has_the_special_tokens_and_the_callers_words(bart: BartTokenizer) -> None:
    template = "{{ bos_token }}{{ greeting }}{{ messages[0] | tojson }}{% if add_generation_prompt %}>{% endif %}"
    text = bart.apply_chat_template(
        [{"role": "user", "content": "a<b", "name": None}],
        chat_template=template,
        greeting="hi ",
        add_generation_prompt=True,
        tokenize=False,
    )
    assert text == '<s>hi {"role": "user", "content": "a<b"}>'


def test_the_last_message_can_be_left_open(blenderbot: BlenderbotTokenizer) -> None:
    text = blenderbot.apply_chat_template(CHAT, continue_final_message=True, tokenize=False)
    assert text == "Be kind.   Hello!  Hello, friend."
    with pytest.raises(TokenizerError, match="not both"):
        blenderbot.apply_chat_template(CHAT, continue_final_message=True, add_generation_prompt=True)
    with pytest.raises(TokenizerError, match="writes the last message as it is"):
        blenderbot.apply_chat_template(CHAT, chat_template="x", continue_final_message=True)
    for last in ({"role": "assistant"}, {"role": "assistant", "content": [{"type": "text", "text": "Hello"}]}):
        with pytest.raises(TokenizerError, match="whose 'content' is a text"):
            blenderbot.apply_chat_template([*CHAT, last], chat_template="x", continue_final_message=True)


def test_one_more_message_adds_its_own_ids(blenderbot: BlenderbotTokenizer) -> None:
    history = blenderbot.apply_chat_template(CHAT[:2], return_dict=False)
    added = blenderbot.encode_message_with_chat_template(CHAT[2], CHAT[:2])
    assert history[:-1] + added == blenderbot.apply_chat_template(CHAT, return_dict=False)
    assert blenderbot.encode_message_with_chat_template(CHAT[0]) == blenderbot.apply_chat_template(
        CHAT[:1], return_dict=False
    )


@pytest.mark.parametrize(
    "template",
    [
        "{{ raise_exception('roles must alternate') }}",
        "{{ messages.clear() }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{% for %}",
        "{{ 1 / 0 }}",
        "{{ messages[0].content + 1 }}",
        "{{ 'a' * 10**14 }}",
        "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}",
    ],
)
def test_a_template_that_fails_or_reaches_out_is_refused(bart: BartTokenizer, template: str) -> None:
    with pytest.raises(TokenizerError, match="The chat template failed"):
        bart.apply_chat_template(CHAT, chat_template=template)


@pytest.mark.parametrize(
    ("chat", "said"),
    [
        ([], "at least one message"),
        ("Hello", "messages"),
        ([{"content": "x"}], "Messages \\[0\\]"),
        ([CHAT, []], "at least one message"),
    ],
)
def test_what_is_no_conversation_is_refused(blenderbot: BlenderbotTokenizer, chat: Any, said: str) -> None:
    with pytest.raises(TokenizerError, match=said):
        blenderbot.apply_chat_template(chat)


@pytest.mark.parametrize("option", ["return_assistant_tokens_mask", "sanitize_control_tokens"])
def test_what_is_not_supported_is_not_ignored(blenderbot: BlenderbotTokenizer, option: str) -> None:
    with pytest.raises(TokenizerError, match=f"`{option}` must be False"):
        blenderbot.apply_chat_template(CHAT, **{option: True})


def test_jinja_is_only_needed_for_templates(blenderbot: BlenderbotTokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "bartleby.errors.find_spec", lambda name: None if name == "jinja2" else importlib.util.find_spec(name)
    )
    assert blenderbot("Hello")
    with pytest.raises(MissingExtraError, match=r"bartleby\[templates\]"):
        blenderbot.apply_chat_template(CHAT)
