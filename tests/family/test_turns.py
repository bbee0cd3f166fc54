"""A conversation becomes the published source text, and what does not fit is told."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartleby.errors import LengthError, OptionError
from bartleby.family.turns import LAYOUTS, TurnLayout, source_text
from bartleby.tokenization.blenderbot_small import BlenderbotSmallTokenizer
from bartleby.tokenization.byte_level import BlenderbotTokenizer

TALK = ["Hello!", "Nice to meet you.", "Do you like lasagne?"]
PERSONAS = ["I live in Rome.", "I cook."]


def words(text: str) -> int:
    return len(text.split())


def test_blenderbot_joins_turns_by_two_spaces_and_a_user_begins_with_one():
    assert LAYOUTS["two_spaces"].render(TALK) == " Hello!  Nice to meet you.   Do you like lasagne?"


def test_parlai_begins_every_turn_with_a_space():
    assert LAYOUTS["two_spaces_each"].render(TALK) == " Hello!   Nice to meet you.   Do you like lasagne?"


def test_small_joins_turns_by_newlines():
    assert LAYOUTS["newline"].render(TALK) == "Hello!\nNice to meet you.\nDo you like lasagne?"


def test_the_documented_example_of_small():
    assert LAYOUTS["start_end"].render(["a", "b", "c"]) == "a__end__ __start__b__end__ __start__c"


@pytest.mark.parametrize("name", LAYOUTS)
def test_personas_come_first_one_line_each(name):
    layout = LAYOUTS[name]
    expected = "your persona: I live in Rome.\nyour persona: I cook.\n"
    assert layout.render(TALK, PERSONAS) == expected + layout.render(TALK)


def test_braces_in_a_persona_are_only_braces():
    assert LAYOUTS["newline"].render(["hi"], ["I like {} and {x}."]) == "your persona: I like {} and {x}.\nhi"


def test_published_chats_have_the_published_ids(shared):
    vocabulary = shared / "vocab" / "blenderbot"
    tokenizer = BlenderbotTokenizer(
        str(vocabulary / "vocab.json"), str(vocabulary / "merges.txt"), add_prefix_space=True
    )
    cases = [case for case in json.loads((shared / "cases" / "token_ids.json").read_text()) if "turns" in case]
    answered = [case for case in cases if case["turns"][-1][0] == "user"]
    assert len(answered) == 2
    for case in answered:
        text = LAYOUTS["two_spaces"].render([content for _, content in case["turns"]])
        assert tokenizer(text)["input_ids"] == case["ids"]


def test_smalls_example_has_the_same_ids_as_its_documentation(shared):
    vocabulary = shared / "vocab" / "blenderbot_small"
    tokenizer = BlenderbotSmallTokenizer(str(vocabulary / "vocab.json"), str(vocabulary / "merges.txt"))
    documented = (
        "My friends are cool but they eat too many carbs.__end__ __start__what kind of carbs do they eat? "
        "i don't know much about carbs__end__ __start__ I'm not sure."
    )
    turns = [
        "My friends are cool but they eat too many carbs.",
        "what kind of carbs do they eat? i don't know much about carbs",
        "I'm not sure.",
    ]
    assert tokenizer(LAYOUTS["start_end"].render(turns))["input_ids"] == tokenizer(documented)["input_ids"]


def test_everything_that_fits_is_kept():
    source = source_text(TALK, PERSONAS, LAYOUTS["two_spaces"], words, limit=100)
    assert source.text == LAYOUTS["two_spaces"].render(TALK, PERSONAS)
    assert (source.turns, source.older_turns, source.dropped_turns, source.dropped_tokens) == (3, 0, 0, 0)
    assert source.tokens == words(source.text)


def test_oldest_turns_go_first_and_the_persona_stays():
    source = source_text(TALK, PERSONAS, LAYOUTS["two_spaces"], words, limit=15)  # 10 of persona + 4 of the newest turn
    assert source.text == "your persona: I live in Rome.\nyour persona: I cook.\n Do you like lasagne?"
    assert (source.turns, source.dropped_turns, source.dropped_tokens) == (1, 2, 5)


def test_a_layout_may_look_back_only_so_far():
    source = source_text(["1", "2", "3", "4", "5"], [], LAYOUTS["last_three"], words, limit=2)
    assert source.text == "4   5"
    assert (source.turns, source.older_turns, source.dropped_turns, source.dropped_tokens) == (2, 2, 1, 1)


@pytest.mark.parametrize(
    ("personas", "message"),
    [
        ([], r"The newest turn must fit 3 tokens, but takes 4\. Shorten the turn, or"),
        (["x"], r"The newest turn with the persona must fit 3 tokens, but takes 7\. Shorten the turn or the persona"),
    ],
)
def test_a_newest_turn_that_does_not_fit_is_refused(personas, message):
    with pytest.raises(LengthError, match=message):
        source_text(TALK, personas, LAYOUTS["newline"], words, limit=3)


def test_a_conversation_has_a_turn():
    with pytest.raises(OptionError, match="at least one turn"):
        source_text([], PERSONAS, LAYOUTS["newline"], words, limit=100)


@given(
    turns=st.lists(st.text("ab ", min_size=1, max_size=20), min_size=1, max_size=12),
    personas=st.lists(st.text("cd ", max_size=10), max_size=3),
    limit=st.integers(1, 150),
    layout=st.sampled_from([*LAYOUTS.values(), TurnLayout("|", turns_kept=1)]),
)
def test_what_is_kept_fits_is_newest_and_adds_up(turns, personas, limit, layout):
    try:
        source = source_text(turns, personas, layout, len, limit)
    except LengthError:
        assert len(layout.render(turns[-1:], personas)) > limit
        return
    assert source.tokens == len(source.text) <= limit
    assert source.text == layout.render(turns[-source.turns :], personas)
    assert source.turns + source.dropped_turns + source.older_turns == len(turns)
    if source.dropped_turns:
        assert len(layout.render(turns[-source.turns - 1 :], personas)) > limit
        seen = turns[source.older_turns :]
        assert source.tokens + source.dropped_tokens == len(layout.render(seen, personas))
