from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartleby.errors import OptionError
from bartleby.training.options import POSITIVE, REQUIRED, Options, described, facts_of, fits, option


@dataclass(frozen=True)
class Inner(Options):
    rate: float = option(0.5, "How fast.", least=POSITIVE)


@dataclass(frozen=True)
class Some(Options):
    subject = "Some options"

    data: Path = option(REQUIRED, "Where it is.", metavar="FOLDER")
    share: float = option(0.5, "How much of it.", least=0, most=1)
    order: str = option("random", "How it comes.", choices=("random", "sorted"))
    names: tuple[str, ...] = option((), "What to take.", metavar="NAME")
    limit: int | None = option(None, "At most so many.", least=1)
    betas: tuple[float, float] = option((0.9, 0.98), "Two shares.", least=0, most=1)
    loud: bool = option(False, "Tell more.")
    inner: Inner = Inner()

    def contradictions(self) -> Iterator[str]:
        if self.loud and self.limit:
            yield "`loud` must be off where `limit` is given, but is on."


def test_what_an_option_was_told_can_be_read_from_its_field() -> None:
    facts = {field.name: facts_of(field) for field in fields(Some)}
    assert facts["data"] is not None
    assert (facts["data"].help, facts["data"].metavar) == ("Where it is.", "FOLDER")
    assert facts["order"] is not None
    assert facts["order"].choices == ("random", "sorted")
    assert facts["inner"] is None


def test_values_that_keep_the_limits_stay_as_they_are() -> None:
    some = Some(Path("x"), share=1, names=("a",), limit=None, inner=Inner(2))
    assert (some.share, some.names, some.inner.rate) == (1, ("a",), 2)
    with pytest.raises(TypeError):
        Some()  # type: ignore[call-arg]


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(OptionError, match=r"Some options has 5 faults") as refusal:
        Some("x", share=1.5, order="odd", limit=0, betas=(0.9, 7.0))  # type: ignore[arg-type]
    assert [line.strip() for line in str(refusal.value).splitlines()[1:]] == [
        "- `data` must be a path, but is 'x'.",
        "- `share` must be between 0 and 1, but is 1.5.",
        "- `order` must be one of random, sorted, but is 'odd'.",
        "- `limit` must be at least 1, but is 0.",
        "- `betas` must be between 0 and 1, but is 7.0.",
    ]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"share": "0.5"}, "`share` must be a number, but is '0.5'"),
        ({"share": True}, "`share` must be a number, but is True"),
        ({"share": float("nan")}, "`share` must be a finite number, but is nan"),
        ({"limit": 1.0}, "`limit` must be a whole number or nothing, but is 1.0"),
        ({"loud": 1}, "`loud` must be true or false, but is 1"),
        ({"names": ["a"]}, "`names` must be a list, each of it text, but is"),
        ({"betas": (0.5,)}, "`betas` must be a list of 2, each of it a number"),
        ({"inner": None}, "`inner` must be of the type Inner, but is None"),
    ],
)
def test_a_value_of_another_type_is_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        Some(Path("x"), **values)  # type: ignore[arg-type]


def test_a_limit_may_leave_out_its_end() -> None:
    with pytest.raises(OptionError, match="`rate` must be a number above 0, but is 0"):
        Inner(0)


def test_contradictions_are_asked_for_only_among_right_values() -> None:
    with pytest.raises(OptionError, match="Some options: `loud` must be off"):
        Some(Path("x"), limit=3, loud=True)
    with pytest.raises(OptionError, match="Some options: `limit` must be at least 1"):
        Some(Path("x"), limit=-1, loud=True)


def test_a_document_holds_all_values_as_json_has_them() -> None:
    assert Some(Path("a/b"), names=("x", "y")).document() == {
        "data": "a/b",
        "share": 0.5,
        "order": "random",
        "names": ["x", "y"],
        "limit": None,
        "betas": [0.9, 0.98],
        "loud": False,
        "rate": 0.5,
    }


@given(st.one_of(st.integers(), st.booleans(), st.text(), st.none(), st.floats()))
def test_a_value_fits_its_own_type_and_no_other_but_whole_numbers_are_numbers(value: object) -> None:
    fitting = {kind for kind in (bool, int, float, str, type(None)) if fits(value, kind)}
    assert fitting == ({int, float} if type(value) is int else {type(value)})
    assert fits(value, int | bool | str | float | None)


def test_types_are_described_in_words() -> None:
    assert described(tuple[str, ...] | None) == "a list, each of it text or nothing"
