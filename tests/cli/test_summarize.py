import json
from functools import partial

import pytest

from bartleby.cli.summarize import say
from bartleby.tasks.summarize import Summarizer, Summary

TEXT = "i have two cats and a dog.\nthey like to play in the garden.\n"


@pytest.fixture
def summarize(bartleby, tiny_summarizer):
    return partial(bartleby, "summarize", "--model", tiny_summarizer, "--backend", "plain")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def expected(tiny_summarizer, text=TEXT, style=None, **options):
    """What the same model writes in Python."""
    return Summarizer.load(tiny_summarizer, backend="plain", **options).summarize(text, style)


@pytest.mark.parametrize("style", ["title", "summary"])
def test_the_summary_alone_goes_to_stdout(summarize, file, tiny_summarizer, style):
    ran = summarize(file, "--style", style)
    assert (ran.code, ran.out) == (0, f"{expected(tiny_summarizer, style=style)}\n")


def test_a_dash_reads_standard_input(summarize, tiny_summarizer):
    ran = summarize("-", piped=TEXT)
    assert (ran.code, ran.out) == (0, f"{expected(tiny_summarizer)}\n")


def test_what_was_not_read_and_not_finished_is_told_on_stderr(summarize, tiny_summarizer):
    long = TEXT * 20
    ran = summarize("-", "--max-new-tokens", 2, piped=long)
    summary = expected(tiny_summarizer, long, max_new_tokens=2)
    assert ran.code == 0
    assert f"its last {summary.dropped_tokens} tokens were not read, only the first 64" in ran.err
    assert "cut off at 2 tokens (length)" in ran.err


def test_json_holds_what_is_known(summarize, file, tmp_path, tiny_summarizer):
    out = tmp_path / "out.json"
    assert summarize(file, "--json", out).code == 0
    told = json.loads(out.read_text(encoding="utf-8"))
    assert (told["text"], told["style"], told["dropped_tokens"]) == (str(expected(tiny_summarizer)), "summary", 0)
    assert (told["model"], told["backend"]) == (str(tiny_summarizer), "plain")


def test_no_character_steers_the_terminal(capsys):
    say(Summary("a\x1b[2J\nb", None, -1.0, "eos", 3, 9, 0, 0.1))
    assert capsys.readouterr().out == "a [2J b\n"


@pytest.mark.parametrize(
    ("arguments", "piped", "code", "complaint"),
    [
        (["no/such/file"], "", 1, "no/such/file cannot be read: No such file"),
        (["-"], " \n", 1, "only white space"),
        (["-", "--style", "poem"], TEXT, 2, "`style` must be one of summary, title"),
        (["-", "--json", "no/such/folder/x.json"], TEXT, 2, "`--json` must be a file in a folder"),
        (["-", "--num-beams", "0"], TEXT, 2, "num_beams"),
        (["-", "--model", "bartleby-no-such"], TEXT, 1, "no embedded checkpoint 'bartleby-no-such'"),
        ([], "", 2, "Missing argument"),
    ],
)
def test_wrong_use_is_refused(summarize, arguments, piped, code, complaint):
    ran = summarize(*arguments, piped=piped)
    assert (ran.code, ran.out) == (code, "")
    assert complaint in ran.err


def test_bytes_that_are_no_text_are_refused(summarize, tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes(b"\xff\xfe\x00")
    ran = summarize(path)
    assert (ran.code, ran.out) == (1, "")
    assert "must be utf-8 text" in ran.err
