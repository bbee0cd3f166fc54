import json
import re
from pathlib import Path
from typing import get_args

import pytest

from bartleby.cli.verify import WIDTH
from bartleby.lab.checks import Verdict
from tests.lab.small_models import save_model

VERDICTS = get_args(Verdict)
QUICK = ("--texts", 2, "--new-tokens", 4)


def test_the_report_is_a_table_and_a_verdict(bartleby, tiny_chat, tmp_path):
    pytest.importorskip("torch")
    file = tmp_path / "report.json"
    ran = bartleby("verify", tiny_chat, *QUICK, "--json", file)
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert lines[0].startswith(f"{tiny_chat}: blenderbot, conditional generation, ")
    assert lines[-1].startswith("Everything agrees within the stated bounds: ")
    assert [line.split()[0] for line in lines[4:-1] if line[:2].strip()] == [
        "files",
        "tokenizer",
        "forward",
        "decoding",
    ]
    assert max(map(len, lines[1:])) <= WIDTH
    report = json.loads(file.read_text())
    assert (report["agrees"], report["verdict"]) == (True, lines[-1])
    assert sum(" agrees " in f"{line} " for line in lines[1:-1]) == len(
        [check for check in report["checks"] if check["verdict"] == "agrees"]
    )
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_what_differs_is_shown_and_fails(bartleby, tmp_path):
    folder = save_model(tmp_path / "model", leave_out=("model.decoder.layers.1.fc2.weight",))
    ran = bartleby("verify", folder, "--json", tmp_path / "report.json")
    assert ran.code == 1
    [line] = [line for line in ran.out.splitlines() if "tensors missing" in line]
    assert "differs" in line
    assert "model.decoder.layers.1.fc2.weight" in line
    assert "1 of " in ran.out.splitlines()[-1]
    assert json.loads((tmp_path / "report.json").read_text())["agrees"] is False


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        ([], 2, "Missing argument"),
        (["bartleby-chat-mini", "--against", "fairseq"], 2, "`against` must be transformers"),
        (["bartleby-chat-mini", "--json", "."], 2, "`--json` must be a file"),
        (["bartleby-chat-mini", "--json", "no/such/folder/x.json"], 2, "`--json` must be a file"),
        (["bartleby-chat-mini", "--texts", "9"], 2, "`texts` must be from 1 to 4"),
        (["./no/such/folder"], 1, "There is no folder"),
    ],
)
def test_wrong_use_is_refused(bartleby, arguments, code, complaint):
    ran = bartleby("verify", *arguments)
    assert (ran.code, ran.out) == (code, "")
    assert complaint in ran.err


def rows(text):
    """What each row compares, and with what result: all that does not hang on the machine."""
    found = []
    for line in text.splitlines():
        cells = re.split(r" {2,}", line.strip())
        verdict = next((cell for cell in cells if cell in VERDICTS), None)
        if verdict is not None:
            first = 1 if line[1:2].strip() else 0  # behind the name of the area
            compared = cells[first : cells.index(verdict) + 1]
            found.append([re.sub(r"\d+ tokens", "n tokens", cell) for cell in compared])
    return found


def test_the_page_shows_what_is_printed(bartleby):
    pytest.importorskip("torch")
    page = (Path(__file__).parents[2] / "docs" / "verifying.md").read_text(encoding="utf-8")
    shown = re.search(r"^\$ bartleby verify bartleby-chat-mini\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert shown is not None
    ran = bartleby("verify", "bartleby-chat-mini", "--texts", 1, "--new-tokens", 1, "--plain-tokens", 1)
    assert ran.code == 0
    assert rows(ran.out) == rows(shown[1])
    assert ran.out.splitlines()[0] == shown[1].splitlines()[0]
    assert ran.out.splitlines()[-1] == shown[1].splitlines()[-1]
