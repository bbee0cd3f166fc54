import math

import pytest

from bartleby.errors import DataError
from bartleby.lab.evaluating.chat import candidates_of, measure_chat, sample_of
from bartleby.lab.evaluating.model import Model, Request, Sampling
from bartleby.measure.ranking import CANDIDATES
from bartleby.tokenization.auto import AutoTokenizer
from bartleby.training.records import Dialogue
from tests.lab.evaluating.scripted import Scripted
from tests.tiny_chat import POSITIONS

DIALOGUES = [
    Dialogue((f"hello, i am {number}.", f"hi, {number}", f"i have {number} cats", f"and i have {number} dogs "))
    for number in range(15)
]
PERSONA = Dialogue(("hello", "hi there"), (("i have two cats.",), ("i read all day.",)))


@pytest.fixture(scope="module")
def tokenizer(tiny_chat):
    return AutoTokenizer.from_pretrained(tiny_chat)


@pytest.fixture
def chat(tokenizer):
    """Knows that a number answers the same number, and always says "hi, 3"."""

    def likes(source, target):
        number = next((word for word in target.replace(",", " ").split() if word.isdecimal()), "none")
        return math.log(0.5) if f" {number}." in source or f" {number} " in f"{source} " else math.log(0.25)

    return Model("scripted", Scripted(tokenizer, lambda source: "hi, 3", likes), tokenizer)


def test_sources_are_the_turns_before_each_reply_as_in_a_chat(chat):
    sample = sample_of(chat, DIALOGUES, Request(Sampling(None)))
    assert sample.available == len(sample.exchanges) == 45
    first, second, third = sample.exchanges[6:9]
    assert (first.dialogue, first.turn, first.number, first.reply) == (2, 1, 6, "hi, 2")
    assert first.text == " hello, i am 2."
    assert chat.text(third.source).split("  ") == ["hello, i am 2.", "hi, 2", " i have 2 cats"]
    assert second.text == "hello, i am 2.   hi, 2"  # two spaces, and the one before what the user says
    assert (third.reply, third.target) == ("and i have 2 dogs", chat.target("and i have 2 dogs"))


def test_whoever_replies_has_their_persona(chat):
    [exchange] = sample_of(chat, [PERSONA], Request()).exchanges
    assert exchange.has_persona
    assert exchange.text.startswith("your persona: i read all day.\n")
    assert "two cats" not in exchange.text


def test_a_sample_is_of_replies_drawn_by_seed_in_the_order_of_the_file(chat):
    found = sample_of(chat, DIALOGUES, Request(Sampling(7, seed=2)))
    assert [each.number for each in found.exchanges] == sorted(Sampling(seed=2).order(45)[:7])


def test_what_does_not_fit_is_counted_and_made_up_for(chat):
    long = Dialogue(("many words " * POSITIONS, "too long to answer", "fine", "many words " * POSITIONS))
    sample = sample_of(chat, [long, *DIALOGUES[:2]], Request(Sampling(None)))
    assert (sample.available, sample.too_long, len(sample.exchanges)) == (9, 2, 7)
    assert sample.exchanges[0].dropped_turns == 1  # the long turn, one before
    with pytest.raises(DataError, match="There is no reply to measure on: 1 do not fit"):
        sample_of(chat, [Dialogue(long.turns[:2])], Request())


def test_candidates_are_replies_of_the_file_that_can_be_written(chat):
    long = Dialogue(("hello", "many words " * POSITIONS))
    request = Request(Sampling(5))
    sample = sample_of(chat, DIALOGUES, request)
    drawn = candidates_of(chat, [*DIALOGUES, long], sample.exchanges, request)
    replies = {turn.strip() for dialogue in DIALOGUES for turn in dialogue.turns[1:]}
    for exchange, texts in zip(sample.exchanges, drawn, strict=True):
        assert texts[0] == exchange.reply
        assert len(set(texts)) == CANDIDATES
        assert set(texts) <= replies


def test_figures_can_be_worked_out_by_hand(chat):
    found = measure_chat(chat, DIALOGUES, Request(Sampling(None)))
    assert found.figures["perplexity"] == pytest.approx(2)
    others_fit = [output["rank"] > 1 for output in found.outputs]  # another reply of the same dialogue is a tie
    assert found.figures["hits_at_1"] == pytest.approx(1 - sum(others_fit) / 45)
    assert 0 < sum(others_fit) < 45
    assert found.figures["distinct_2"] == pytest.approx(2 / (45 * 2))
    assert found.figures["mean_length"] == 3.0
    assert found.facts["candidates"] == 20
    assert found.facts["reply_tokens"] == sum(len(chat.target(output["reference"])) for output in found.outputs)
    assert {output["output"] for output in found.outputs} == {"hi, 3"}


def test_baselines_are_measured_on_the_same_replies(chat):
    found = measure_chat(chat, [*DIALOGUES, *[Dialogue(("what?", "i see."))] * 4], Request(baselines=True)).baselines
    assert found.keys() == {"most_frequent", "retrieval", "people"}
    assert found["most_frequent"]["distinct_1"] < 0.1 < found["people"]["distinct_1"]
    assert found["retrieval"]["f1"] > found["most_frequent"]["f1"]  # "i have 4 cats" beside "i have 7 cats"
    assert found["retrieval"]["hits_at_1"] > 0.2
    known = measure_chat(chat, DIALOGUES, Request(baselines=True, known=DIALOGUES)).baselines
    assert known["retrieval"]["f1"] == 1.0  # the very dialogues


def test_of_too_few_replies_all_but_the_rank_is_measured(chat):
    found = measure_chat(chat, DIALOGUES[:2], Request(baselines=True))
    assert found.figures["perplexity"] == pytest.approx(2)
    assert found.facts["hits_at_1"] == "is not measured: it needs 20 different replies in the file"
    assert not any("hits_at_1" in figures for figures in (found.figures, *found.baselines.values()))
    assert not any("rank" in output for output in found.outputs)
