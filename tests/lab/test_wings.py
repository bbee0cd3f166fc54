"""The other wings beside the definition and PyTorch."""

import dataclasses
from importlib.util import find_spec

import pytest

from bartleby.lab import wings
from bartleby.lab.decodings import modes_of
from bartleby.lab.outputs import Table
from bartleby.lab.sides import PlainSide
from bartleby.lab.subject import Subject
from bartleby.lab.verify import VerifyOptions, verify
from tests.lab.small_models import save_model

FRAMEWORKS = {"flax": "jax", "tensorflow": "tensorflow"}


def table_of(folder) -> Table:
    subject = Subject.open(str(folder), 2, 0)
    return Table(subject, PlainSide(subject, "float64"), None)


def test_both_wings_agree_with_the_definition_and_pytorch(tmp_path):
    for extra, framework in {"torch": "torch", **FRAMEWORKS}.items():
        pytest.importorskip(framework, reason=f'holds {framework} beside the others: pip install "bartleby[{extra}]"')
    report = verify(str(save_model(tmp_path)), VerifyOptions(texts=2, new_tokens=4, plain_tokens=0, wings=True))
    assert report.differing == 0, report.as_dict()
    found = {check.subject: check.verdict for check in report.checks if check.subject.startswith((*FRAMEWORKS,))}
    kinds = ("", ", greedy", ", 3 beams")
    assert found == {f"{wing} float32{kind}": "agrees" for wing in FRAMEWORKS for kind in kinds}


@pytest.mark.parametrize("head", ["sequence_classification", "question_answering", "causal_lm"])
@pytest.mark.parametrize("wing", FRAMEWORKS)
def test_every_head_is_run(tmp_path, wing, head, monkeypatch):
    pytest.importorskip(FRAMEWORKS[wing], reason=f'needs {wing}: pip install "bartleby[{wing}]"')
    monkeypatch.setattr(wings, "WINGS", {wing: wings.WINGS[wing]})
    table = table_of(save_model(tmp_path, head))
    modes = modes_of(table.subject, 3)[:1] if head == "causal_lm" else []
    checks = list(wings.wing_checks(table, None, modes))
    assert [check.verdict for check in checks] == ["agrees"] * (1 + len(modes)), checks


def test_a_wing_that_computes_something_else_is_told(tmp_path, monkeypatch):
    pytest.importorskip("jax", reason='needs Flax: pip install "bartleby[flax]"')
    monkeypatch.setattr(wings, "WINGS", {"flax": "Flax"})
    table = table_of(save_model(tmp_path))
    table.outputs[0][0, 0] += 1
    assert [check.verdict for check in wings.wing_checks(table, None, [])] == ["differs"]


def test_a_wing_that_is_not_installed_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(wings, "find_spec", lambda name: None)
    checks = list(wings.wing_checks(table_of(save_model(tmp_path)), None, []))
    assert [(check.subject, check.verdict) for check in checks] == [("flax", "skipped"), ("tensorflow", "skipped")]
    assert 'pip install "bartleby[flax]"' in checks[0].remark


def test_without_pytorch_greedy_answers_are_the_definitions(tmp_path, monkeypatch):
    if find_spec("jax") is None:
        pytest.skip('needs Flax: pip install "bartleby[flax]"')
    monkeypatch.setattr(wings, "WINGS", {"flax": "Flax"})
    table = table_of(save_model(tmp_path))
    greedy, beams = modes_of(table.subject, 3)
    checks = list(wings.wing_checks(table, None, [greedy, dataclasses.replace(beams)]))
    assert [check.verdict for check in checks] == ["agrees", "agrees", "skipped"]
