import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bartleby.errors import DataError, OptionError
from bartleby.lab.evaluate import EvaluateOptions, evaluate, plain, write_outputs
from tests.lab.evaluating.scripted import save_tiny_reader

DIALOGUES = [
    {"turns": [f"hello, i am {number}.", f"hi, {number}", f"i have {number} cats", f"and i {number} dogs"]}
    for number in range(10)
]


@pytest.fixture
def dialogues(tmp_path) -> Path:
    return written(tmp_path / "mine.valid.jsonl", DIALOGUES)


def written(path: Path, records: list) -> Path:
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records), encoding="utf-8")
    return path


def chat_options(tiny_chat, dialogues, **changes) -> EvaluateOptions:
    known = {"task": "chat", "data": dialogues, "model": str(tiny_chat), "backend": "plain", "limit": 4}
    return EvaluateOptions(**{**known, **changes})


def test_figures_come_with_what_it_takes_to_get_them_again(tiny_chat, dialogues):
    told = []
    found = evaluate(chat_options(tiny_chat, dialogues, baselines=True), lambda *step: told.append(step))
    document = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert {"perplexity", "hits_at_1", "distinct_2", "repetition"} <= document.keys()
    assert (document["task"], document["examples"], document["limit"], document["seed"]) == ("chat", 4, 4, 0)
    assert (document["model"], document["backend"], document["data"]) == (str(tiny_chat), "plain", str(dialogues))
    assert document["decoding"]["num_beams"] == 2
    assert document["facts"]["available"] == 30
    assert document["baselines"].keys() == {"most_frequent", "retrieval", "people"}
    assert {doing for doing, _, _ in told} == {"scoring", "replying", "baselines"}


def test_equal_options_give_equal_figures(tiny_chat, dialogues):
    first, again, other = (
        evaluate(chat_options(tiny_chat, dialogues, seed=seed)).as_dict() | {"seconds": 0} for seed in (1, 1, 2)
    )
    assert first == again
    assert first["perplexity"] != other["perplexity"]


def test_decoding_options_go_over_the_checkpoints_own(tiny_chat, dialogues):
    found = evaluate(chat_options(tiny_chat, dialogues, decoding={"num_beams": 1, "max_new_tokens": 2}))
    assert found.decoding["max_new_tokens"] == 2
    assert all(len(output["output"].split()) <= 2 for output in found.measured.outputs)
    with pytest.raises(OptionError, match="num_beam"):
        evaluate(chat_options(tiny_chat, dialogues, decoding={"num_beam": 1}))


def test_baselines_learn_from_another_file(tiny_chat, dialogues, tmp_path):
    known = written(tmp_path / "mine.train.jsonl", [{"turns": ["what?", "i see."]}])
    found = evaluate(chat_options(tiny_chat, dialogues, baselines=True, known=known))
    assert found.measured.baselines["retrieval"]["mean_length"] == 3.0  # "i see ."
    assert found.as_dict()["known"] == str(known)


def test_summaries_labels_and_answers_are_measured_by_name(tiny_summarizer, tmp_path):
    pytest.importorskip("rouge_score", reason='rouge-score is not installed: pip install "bartleby[measure]"')
    pairs = written(tmp_path / "pairs.jsonl", [{"text": "i have two cats", "summary": "cats"}] * 3)
    options = EvaluateOptions("summarize", pairs, str(tiny_summarizer), "plain", limit=None, style="title")
    found = evaluate(options).as_dict()
    assert {"rouge1", "rouge2", "rougeL", "rougeLsum", "perplexity"} <= found.keys()
    assert (found["examples"], found["facts"]["style"]) == (3, "title")

    reader = save_tiny_reader(tmp_path / "labels", "sequence_classification", id2label={0: "no", 1: "yes"})
    labelled = written(tmp_path / "labels.jsonl", [{"text": "i have two cats", "label": "yes"}] * 2)
    assert {"accuracy", "f1", "matthews"} <= evaluate(
        EvaluateOptions("classify", labelled, str(reader))
    ).as_dict().keys()

    finder = save_tiny_reader(tmp_path / "answers", "question_answering")
    question = {"context": "i have two cats", "question": "what?", "answers": [{"text": "cats", "answer_start": 11}]}
    questions = written(tmp_path / "questions.jsonl", [question])
    found = evaluate(EvaluateOptions("answer", questions, str(finder), "plain")).as_dict()
    assert {"exact_match", "f1"} <= found.keys()
    assert "decoding" not in found


def test_bad_records_stop_it_or_are_counted(tiny_chat, dialogues, tmp_path):
    bad = written(tmp_path / "bad.jsonl", [*DIALOGUES, {"turns": ["alone"]}])
    with pytest.raises(DataError, match="line 11"):
        evaluate(chat_options(tiny_chat, bad))
    found = evaluate(chat_options(tiny_chat, bad, on_bad_record="skip")).as_dict()
    assert found["facts"]["skipped_records"] == 1
    assert found["perplexity"] == pytest.approx(evaluate(chat_options(tiny_chat, dialogues)).as_dict()["perplexity"])


def test_an_unknown_label_has_a_file_and_a_line_and_can_be_skipped(tmp_path):
    reader = save_tiny_reader(tmp_path / "labels", "sequence_classification", id2label={0: "no", 1: "yes"})
    records = [{"text": "i have two cats", "label": label} for label in ("yes", "maybe", "no")]
    options = EvaluateOptions("classify", written(tmp_path / "mine.jsonl", records), str(reader), "plain")
    with pytest.raises(DataError, match=r"mine\.jsonl, line 2: the label must be one of no, yes, .* but is 'maybe'"):
        evaluate(options)
    found = evaluate(replace(options, on_bad_record="skip"))
    assert (found.examples, found.skipped) == (2, 1)


def test_outputs_are_a_line_an_example(tiny_chat, dialogues, tmp_path):
    found = evaluate(chat_options(tiny_chat, dialogues))
    write_outputs(tmp_path / "out.jsonl", found)
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert lines == found.measured.outputs
    assert {"source", "output", "reference", "rank"} <= lines[0].keys()


def test_all_that_cannot_be_is_told_at_once(tmp_path):
    with pytest.raises(OptionError, match="The task must be one of chat, summarize, classify, answer, but is 'talk'"):
        evaluate(EvaluateOptions("talk", tmp_path))
    wrong = EvaluateOptions(
        "classify", tmp_path / "no", None, limit=0, seed=-1, style="title", decoding={"a": 1}, on_bad_record="shrug"
    )
    with pytest.raises(OptionError) as refused:
        evaluate(wrong)
    for name in ("model", "data", "limit", "seed", "style", "decoding", "on_bad_record"):
        assert f"`{name}` must be" in str(refused.value)


def test_what_json_cannot_say_becomes_text():
    assert plain({1: [math.nan, 2.0, "a"], "b": (math.inf,)}) == {"1": ["nan", 2.0, "a"], "b": ["inf"]}


def test_measuring_needs_no_framework(tiny_chat, dialogues):
    program = (
        "import sys; from pathlib import Path; from bartleby.lab.evaluate import *; "
        f"evaluate(EvaluateOptions('chat', Path({str(dialogues)!r}), {str(tiny_chat)!r}, 'plain', limit=1)); "
        "print({'torch', 'jax', 'tensorflow', 'datasets'} & sys.modules.keys())"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"
