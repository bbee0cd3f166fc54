import json
from functools import partial

import pytest

from bartleby.cli.evaluate import WIDTH, parsed, shown
from bartleby.errors import OptionError
from tests.lab.test_evaluate import DIALOGUES, written


@pytest.fixture
def data(tmp_path):
    return written(tmp_path / "mine.valid.jsonl", DIALOGUES)


@pytest.fixture
def evaluate(bartleby, tiny_chat, data):
    return partial(bartleby, "evaluate", "chat", "--model", tiny_chat, "--backend", "plain", "--data", data)


def test_a_table_on_stdout_and_the_same_figures_as_json(evaluate, tiny_chat, data, tmp_path):
    out, said = tmp_path / "out.json", tmp_path / "said.jsonl"
    ran = evaluate("--limit", 4, "--seed", 3, "--json", out, "--outputs", said, "--baselines")
    assert (ran.code, ran.err) == (0, "")
    found = json.loads(out.read_text(encoding="utf-8"))
    lines = ran.out.splitlines()
    assert lines[0] == f"{tiny_chat}, chat: 4 examples of {data}, seed 3"
    assert "model" in lines[2]
    assert "most frequent" in lines[2]
    for name in ("perplexity", "hits_at_1", "distinct_2", "repetition"):
        [row] = [line for line in lines if line.split()[:1] == [name]]
        assert row.split()[1] == shown(found[name])
    assert "available 30" in lines[-1]
    assert max(map(len, lines[1:])) <= WIDTH
    assert len(said.read_text(encoding="utf-8").splitlines()) == 4


def test_no_limit_is_the_whole_file(evaluate, tmp_path):
    assert evaluate("--limit", 0, "--json", tmp_path / "out.json", "--decoding", "num_beams=1").code == 0
    found = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert (found["examples"], found["limit"]) == (30, None)
    assert "num_beams" not in found["decoding"]  # one is the library's default


def test_decoding_options_are_written_as_in_json():
    assert parsed(["num_beams=1", "early_stopping=never", "do_sample=true", "a=b=c"]) == {
        "num_beams": 1,
        "early_stopping": "never",
        "do_sample": True,
        "a": "b=c",
    }
    for wrong in ("num_beams", "=1"):
        with pytest.raises(OptionError, match="must be NAME=VALUE"):
            parsed([wrong])


def test_figures_have_the_digits_that_mean_something():
    assert [shown(figure) for figure in (37.7549, 0.123456, -12.0, float("inf"))] == [
        "37.75",
        "0.1235",
        "-12.00",
        "inf",
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["--json", "no/such/folder/x.json"], 2, "`--json` must be a file"),
        (["--outputs", "."], 2, "`--outputs` must be a file"),
        (["--style", "title"], 2, "`style` must be left out for chat"),
        (["--decoding", "beams"], 2, "`--decoding` must be NAME=VALUE"),
        (["--known", "no-such-file"], 2, "`known` must be a file"),
        (["--model", "./no/such/folder"], 1, "There is no folder"),
    ],
)
def test_wrong_use_is_refused(evaluate, arguments, code, complaint):
    ran = evaluate(*arguments)
    assert (ran.code, ran.out) == (code, "")
    assert complaint in ran.err


def test_the_embedded_model_of_a_task_is_measured_where_none_is_named(bartleby, data):
    ran = bartleby("evaluate", "classify", "--data", data)
    assert (ran.code, "`model` must be given" in ran.err) == (2, True)
    ran = bartleby("evaluate", "talk", "--data", data)
    assert (ran.code, "The task must be one of" in ran.err) == (2, True)
