import dataclasses
from dataclasses import replace

import pytest

from bartleby.errors import ConfigError, DataError, HubError, OptionError
from bartleby.family.config import BartConfig
from bartleby.generation.config import GenerationConfig
from bartleby.hub import embedded_names
from bartleby.tasks.summarize import EMBEDDED, Summarizer, Summary, task_prefixes
from tests.tiny_chat import POSITIONS

TEXT = "i have two cats and a dog. they like to play in the garden."
LONG = " ".join([TEXT] * 20)


@pytest.fixture(scope="module")
def summarizer(tiny_summarizer):
    return Summarizer.load(tiny_summarizer, backend="plain")


def seen(summarizer, text, style=None):
    """The text behind what the model reads."""
    return summarizer.tokenizer.decode(summarizer.source(text, style).ids, skip_special_tokens=True)


def test_a_summary_is_what_the_backend_writes_for_the_prefixed_text(summarizer):
    [[best, *_]] = summarizer.backend.generate(
        [summarizer.tokenizer(f"title: {TEXT}")["input_ids"]], summarizer.options
    )
    summary = summarizer.summarize(f" {TEXT}\n", "title")
    assert str(summary) == summary.text == summarizer.tokenizer.decode(best.ids, skip_special_tokens=True).strip()
    assert (summary.score, summary.finish_reason, summary.tokens) == (best.score, best.finish_reason, len(best.ids))
    assert (summary.style, summary.dropped_tokens) == ("title", 0)


def test_without_a_style_it_is_a_summary_or_the_first_there_is(summarizer, monkeypatch):
    assert summarizer.summarize(TEXT).style == "summary"
    monkeypatch.setattr(summarizer, "prefixes", {"topic": "t ", "question": "q "})
    assert summarizer.summarize(TEXT).style == "question"
    assert seen(summarizer, TEXT, "topic").startswith("t i have")


def test_a_model_of_one_manner_reads_the_bare_text(summarizer, monkeypatch):
    monkeypatch.setattr(summarizer, "prefixes", {})
    assert (summarizer.summarize(TEXT).style, seen(summarizer, TEXT)) == (None, TEXT)
    with pytest.raises(OptionError, match="left out, for this model knows none, but is 'title'"):
        summarizer.summarize(TEXT, "title")


def test_an_unknown_style_is_refused(summarizer):
    with pytest.raises(OptionError, match="one of summary, title, but is 'poem'"):
        summarizer.summarize(TEXT, "poem")


def test_a_long_text_is_cut_at_its_end_and_that_is_told(summarizer):
    summary = summarizer.summarize(LONG)
    whole = summarizer.tokenizer(f"summary: {LONG}", verbose=False)["input_ids"]
    assert summary.source_tokens == POSITIONS
    assert summary.dropped_tokens == len(whole) - POSITIONS > 0
    assert f"the last {summary.dropped_tokens} tokens of the text not seen" in repr(summary)
    ids = summarizer.source(LONG, "summary").ids
    assert (list(ids[:-1]), ids[-1]) == (whole[: POSITIONS - 1], summarizer.tokenizer.eos_token_id)


def test_texts_together_are_summarized_as_each_alone(summarizer):
    texts, done = [TEXT, "that is nice!", LONG], []
    together = summarizer.summarize_all(texts, "title", watch=done.append)
    for text, summary in zip(texts, together, strict=True):
        alone = replace(summarizer.summarize(text, "title"), seconds=summary.seconds, score=summary.score)
        assert summary == alone
    assert done[-1] == 3
    assert summarizer.summarize_all([]) == []


@pytest.mark.parametrize(("text", "complaint"), [("", "empty"), (" \n", "only white space"), (None, "must be a text")])
def test_no_text_has_no_summary(summarizer, text, complaint):
    with pytest.raises(DataError, match=complaint):
        summarizer.summarize(text)


def test_one_text_is_no_list_of_texts(summarizer):
    with pytest.raises(DataError, match="must be a list of texts"):
        summarizer.summarize_all(TEXT)


def test_options_go_over_the_checkpoints_own(tiny_summarizer, summarizer):
    short = Summarizer.load(tiny_summarizer, backend="plain", max_new_tokens=3)
    assert summarizer.options.max_new_tokens == 8
    assert short.summarize(TEXT).tokens <= 3
    given = GenerationConfig(max_new_tokens=2, decoder_start_token_id=2, eos_token_id=2)
    assert Summarizer(short.backend, short.tokenizer, given).options is given


def test_a_summary_shows_what_is_noteworthy():
    plain = Summary("a cat", "title", -0.5, "eos", 3, 9, 0, 0.25)
    assert repr(plain) == "Summary('a cat', score -0.50, 3 tokens in 0.25 s)"
    assert "stopped by length" in repr(dataclasses.replace(plain, finish_reason="length"))


def test_prefixes_are_texts():
    assert task_prefixes(BartConfig()) == {}
    assert task_prefixes(BartConfig(task_prefixes={"title": "title: "})) == {"title": "title: "}
    with pytest.raises(ConfigError, match="`task_prefixes` must be a text for each style"):
        task_prefixes(BartConfig(task_prefixes=["title: "]))


@pytest.mark.skipif(EMBEDDED in embedded_names(), reason="the embedded summary model is there")
def test_an_embedded_model_that_is_not_there_is_refused_without_asking_the_hub():
    with pytest.raises(HubError, match=f"no embedded checkpoint '{EMBEDDED}'"):
        Summarizer.load()
