from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from bartleby.errors import DataError, OptionError
from bartleby.family.presets import PRESETS
from bartleby.family.turns import LAYOUTS
from bartleby.generation.config import GenerationConfig
from bartleby.tasks.chat import Chat
from bartleby.tokenization.base import PreTrainedTokenizer
from bartleby.tokenization.blenderbot_small import BlenderbotSmallTokenizer
from bartleby.tokenization.byte_level import BlenderbotTokenizer
from bartleby.training.recipes.chat import ChatExamples, ChatOptions, ChatRecipe
from bartleby.training.recipes.recipe import DataOptions, ModelOptions
from bartleby.training.records import Dialogue
from bartleby.training.store import Examples
from tests.training.tiny import CHANGES, quiet, write_corpora

TALK = Dialogue(("Hi!", "Hello there.", "How are you?", "Fine.", "Good to hear."))
PERSONS = Dialogue(("Who are you?", "A pilot.", "Nice."), (("I ask.",), ("I fly.", "I land.")))


@pytest.fixture(scope="module")
def tokenizer() -> BlenderbotTokenizer:
    return BlenderbotTokenizer().train_new_from_iterator([*TALK.turns, *PERSONS.turns], vocab_size=300)


def learnt(examples: ChatExamples, *dialogues: Dialogue) -> list[tuple[str, str]]:
    """Sources and replies as text."""
    decode = examples.tokenizer.decode
    return [(decode(row["source"]), decode(row["target"])) for row in examples.rows(dialogues)]


def test_each_reply_is_learnt_from_the_last_three_turns(tokenizer: BlenderbotTokenizer) -> None:
    assert learnt(ChatExamples(tokenizer, ChatOptions()), TALK) == [
        (" Hi!</s>", " Hello there.</s>"),
        (" Hi!   Hello there.</s>", " How are you?</s>"),
        (" Hi!  Hello there.   How are you?</s>", " Fine.</s>"),
        (" Hello there.  How are you?   Fine.</s>", " Good to hear.</s>"),
    ]


def test_a_chat_shows_the_model_what_it_was_taught_to_see(tokenizer: BlenderbotTokenizer) -> None:
    examples = ChatExamples(tokenizer, ChatOptions(persona_share=1.0))
    sources = [row["source"] for row in examples.rows([PERSONS, TALK])]
    persona, talk = sources[0], sources[-1]
    model = SimpleNamespace(config=PRESETS["bartleby-chat-mini"].config, generation_config=GenerationConfig())
    chat = Chat(model, tokenizer, LAYOUTS["last_three"])  # type: ignore[arg-type]
    assert tokenizer(chat.source(TALK.turns[:4]).text)["input_ids"] == talk
    chat.conversation = replace(chat.conversation, personas=PERSONS.personas[1])
    assert tokenizer(chat.source(PERSONS.turns[:1]).text)["input_ids"] == persona


def test_whoever_replies_shows_their_own_persona(tokenizer: BlenderbotTokenizer) -> None:
    examples = ChatExamples(tokenizer, ChatOptions(persona_share=1.0))
    assert learnt(examples, PERSONS) == [
        (" your persona: I fly.\nyour persona: I land.\n Who are you?</s>", " A pilot.</s>"),
        (" your persona: I ask.\nWho are you?   A pilot.</s>", " Nice.</s>"),
    ]
    assert examples.report.with_persona == 2


def test_the_share_of_personas_is_drawn_from_the_seed(tokenizer: BlenderbotTokenizer) -> None:
    def shown(seed: int) -> list[bool]:
        examples = ChatExamples(tokenizer, ChatOptions(persona_share=0.5), seed)
        return ["persona" in source for source, _ in learnt(examples, *[PERSONS] * 100)]

    assert shown(0) == shown(0) != shown(1)
    assert 70 < sum(shown(0)) < 130


def test_whole_oldest_turns_go_when_they_do_not_fit(tokenizer: BlenderbotTokenizer) -> None:
    whole = len(tokenizer(" Hello there.  How are you?   Fine.")["input_ids"])
    examples = ChatExamples(tokenizer, ChatOptions(source_tokens=whole - 1))
    assert learnt(examples, TALK)[-1][0] == " How are you?   Fine.</s>"
    assert examples.report.shortened == 2


def test_what_is_left_out_is_counted(tokenizer: BlenderbotTokenizer) -> None:
    longest = len(tokenizer("How are you?")["input_ids"])
    examples = ChatExamples(tokenizer, ChatOptions(source_tokens=longest - 1, target_tokens=longest - 1))
    replies = [reply for _, reply in learnt(examples, TALK)]
    assert " How are you?</s>" not in replies  # too long to learn
    assert " Fine.</s>" not in replies  # what it answers is too long to show
    report = examples.report
    assert (report.examples + report.long_replies + report.long_last_turns, report.examples) == (4, len(replies))
    assert report.long_replies >= 1
    assert report.long_last_turns >= 1
    assert f"{report.long_replies} replies that are too long" in report.told()


def test_all_faults_of_a_recipe_are_named_at_once() -> None:
    with pytest.raises(OptionError, match=r"(?s)`layout`.*`source_tokens`.*`target_tokens`.*`persona_share`"):
        ChatOptions(layout="sonnet", source_tokens=1, target_tokens=0, persona_share=2)


def test_what_looks_like_an_end_is_text(tokenizer: PreTrainedTokenizer) -> None:
    talk = Dialogue(("Say </s>!", "No </s> here."))
    [row] = ChatExamples(tokenizer, ChatOptions()).rows([talk])
    assert [list(row[name]).count(tokenizer.eos_token_id) for name in ("source", "target")] == [1, 1]


def test_every_reply_has_an_end_also_where_the_tokenizer_adds_none() -> None:
    tokenizer = BlenderbotSmallTokenizer().train_new_from_iterator(TALK.turns, vocab_size=100)
    rows = list(ChatExamples(tokenizer, ChatOptions(layout="newline")).rows([TALK]))
    assert len(rows) == 4
    assert all(row["target"][-1] == tokenizer.eos_token_id for row in rows)


@pytest.fixture
def recipe(corpora: Path) -> ChatRecipe:
    return ChatRecipe(ChatOptions(), ModelOptions(change=CHANGES), DataOptions(corpora, batch_tokens=120), seed=3)


def test_texts_become_a_tokenizer_and_examples(recipe: ChatRecipe, tmp_path: Path) -> None:
    said: list[str] = []
    figures = recipe.prepare(tmp_path, said.append)
    assert figures["records"] == {"people": 8, "talks": 8}
    assert (figures["examples"], figures["skipped"], figures["validation"]["examples"]) == (40, 0, 40)
    assert said[0].startswith("16 dialogues gave 40 examples, ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tokenizer", "train", "valid"]
    assert len(Examples.open(tmp_path / "train")) == len(Examples.open(tmp_path / "valid")) == 40


def test_what_is_set_up_learns_and_is_measured(recipe: ChatRecipe, tmp_path: Path) -> None:
    recipe.prepare(tmp_path, quiet)
    setup = recipe.setup(tmp_path)
    assert setup.tokenizer.convert_ids_to_tokens([0, 1, 2, 3]) == ["<pad>", "<s>", "</s>", "<unk>"]
    assert setup.model.config.turn_layout == "last_three"
    assert setup.model.config.vocab_size == len(setup.tokenizer)
    batch = next(setup.batches.from_number(0))
    loss = setup.objective(batch, batch)["likelihood"]
    assert loss.requires_grad
    assert setup.measure(3)["examples"] == 3
    figures = setup.measure(None)
    assert figures["perplexity"] == pytest.approx(len(setup.tokenizer), rel=0.2)  # it has learnt nothing yet


def test_one_corpus_can_be_measured_on_alone(recipe: ChatRecipe, corpora: Path, tmp_path: Path) -> None:
    alone = DataOptions(corpora, validation="people", leave_out=("talks",), validation_examples=5)
    figures = replace(recipe, data=alone).prepare(tmp_path, quiet)
    assert figures["records"] == {"people": 8}
    assert figures["validation"]["examples"] == 16
    assert len(Examples.open(tmp_path / "valid")) == 5


def test_bad_records_are_told(recipe: ChatRecipe, tmp_path: Path) -> None:
    data = write_corpora(tmp_path / "data")
    with (data / "talks.train.jsonl").open("a") as file:
        file.write('{"turns": ["alone"]}\n')
    said: list[str] = []
    skipping = replace(recipe, data=DataOptions(data, on_bad_record="skip"))
    (tmp_path / "a").mkdir()
    assert skipping.prepare(tmp_path / "a", said.append)["skipped"] == 1
    assert said[0].startswith("Skipped ")
    assert "talks.train.jsonl, line 9" in said[0]
    with pytest.raises(DataError, match=r"talks\.train\.jsonl, line 9"):
        replace(recipe, data=DataOptions(data)).prepare(tmp_path / "b", quiet)


def test_lengths_beyond_the_model_s_positions_are_refused(recipe: ChatRecipe, tmp_path: Path) -> None:
    longer = replace(recipe, options=ChatOptions(source_tokens=129, target_tokens=500))
    with pytest.raises(OptionError, match=r"(?s)`source_tokens` must be at most 128.*`target_tokens`"):
        longer.prepare(tmp_path, quiet)
