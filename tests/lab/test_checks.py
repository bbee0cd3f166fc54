import json

import pytest

from bartleby.errors import CheckpointError
from bartleby.lab.checks import Check, Report


def report_of(*verdicts):
    return Report("a", {}, [Check("files", str(number), verdict) for number, verdict in enumerate(verdicts)])


@pytest.mark.parametrize(
    ("verdicts", "sentence"),
    [
        (["agrees", "agrees"], "Everything agrees within the stated bounds: 2 checks."),
        (["agrees", "differs", "noted"], "1 of 2 checks differ, 1 noted."),
        (
            ["known", "skipped"],
            "Everything agrees within the stated bounds: 1 checks, 1 explained by known defects of the reference "
            "library, 1 skipped.",
        ),
    ],
)
def test_the_verdict_counts_what_was_compared(verdicts, sentence):
    report = report_of(*verdicts)
    assert report.verdict == sentence
    assert report.as_dict()["agrees"] == ("differs" not in verdicts)


def test_what_the_library_refuses_on_the_way_is_a_check_that_differs():
    def found():
        yield Check("files", "one", "agrees")
        raise CheckpointError("weights.bin is torn.")

    report = Report("a")
    report.add(found(), "files")
    assert [(check.verdict, check.remark) for check in report.checks] == [
        ("agrees", ""),
        ("differs", "weights.bin is torn."),
    ]


def test_numbers_without_a_json_form_are_written_as_text():
    report = Report("a", {}, [Check("forward", "x", "differs", worst=float("inf"))])
    assert json.loads(json.dumps(report.as_dict(), allow_nan=False))["checks"][0]["worst"] == "inf"
