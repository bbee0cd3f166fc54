from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
import typer
from typer.testing import CliRunner

from bartleby.cli.options import build_options, fields_of, flags_of, given_options
from bartleby.errors import OptionError
from bartleby.training.options import POSITIVE, REQUIRED, Options, option


@dataclass(frozen=True)
class Rates(Options):
    rate: float = option(2e-3, "The highest.", least=POSITIVE)
    betas: tuple[float, float] = option((0.9, 0.98), "Of the averages.")


@dataclass(frozen=True)
class Learning(Options):
    subject: ClassVar[str] = "The learning"
    steps: int = option(REQUIRED, "Batches to learn from.", least=1)
    rates: Rates = Rates()
    precision: Literal["no", "bf16"] = option("bf16", "Of products.", choices=("no", "bf16"))


@dataclass(frozen=True)
class Reading(Options):
    subject: ClassVar[str] = "The reading"
    data: Path = option(REQUIRED, "What to learn from.", metavar="FOLDER")
    validation: str | None = option(None, "Corpus to measure on.")
    leave_out: tuple[str, ...] = option((), "Corpus to do without.", metavar="NAME")
    streaming: bool = option(False, "Leave it on the disk.")
    shuffle: bool = option(True, "Mix it.")


CLASSES = (Learning, Reading)


def run(*words: str) -> tuple[Any, dict[str, Any]]:
    """The help or error text of a command of these flags, and what it was given."""
    import inspect

    given: dict[str, Any] = {}

    def command(**flags: Any) -> None:
        given.update(flags)

    command.__signature__ = inspect.Signature(flags_of(CLASSES))  # type: ignore[attr-defined]
    app = typer.Typer()
    app.command()(command)
    return CliRunner().invoke(app, words, env={"COLUMNS": "160", "NO_COLOR": "1"}), given


def from_file(tmp_path: Path, text: str, **flags: Any) -> dict[str, Any]:
    pytest.importorskip("yaml")
    path = tmp_path / "run.yaml"
    path.write_text(text, encoding="utf-8")
    return given_options(CLASSES, flags, path)


def test_every_field_has_a_flag_with_help_limits_and_default() -> None:
    text = run("--help")[0].output
    assert "Batches to learn from." in text
    assert "Of products: no or bf16." in text
    assert "[default: (bf16)]" in text
    assert "[default: (0.9 0.98)]" in text
    assert "What to learn from. Must be given." in text
    assert "--no-shuffle" in text
    assert "Corpus to do without. Repeatable." in text
    assert "The learning" in text  # the heading of the panel


def test_flags_become_options_of_their_classes() -> None:
    words = "--steps 3 --rate 1 --betas 0.5 0.6 --data a --leave-out b --leave-out c --no-shuffle --streaming"
    result, given = run(*words.split())
    assert result.exit_code == 0, result.output
    learning, reading = build_options(CLASSES, given_options(CLASSES, given))
    assert learning == Learning(3, Rates(1.0, (0.5, 0.6)))
    assert reading == Reading(Path("a"), leave_out=("b", "c"), streaming=True, shuffle=False)


def test_flags_that_are_not_given_leave_the_defaults() -> None:
    result, given = run("--steps", "3", "--data", "a")
    assert result.exit_code == 0
    assert given_options(CLASSES, given) == {"steps": 3, "data": Path("a")}
    assert build_options(CLASSES, {"steps": 3, "data": Path("a")}) == [Learning(3), Reading(Path("a"))]


def test_a_file_gives_the_same_options_and_flags_override_it(tmp_path: Path) -> None:
    text = "steps: 5\nrate: 1\nbetas: [0.5, 1]\ndata: a\nleave_out: [b]\nprecision: no\nvalidation:\nshuffle: false\n"
    learning, reading = build_options(CLASSES, from_file(tmp_path, text, steps=7, leave_out=["c", "d"], rate=None))
    assert learning == Learning(7, Rates(1.0, (0.5, 1.0)), "no")
    assert reading == Reading(Path("a"), leave_out=("c", "d"), shuffle=False)


def test_a_file_may_name_a_home(tmp_path: Path) -> None:
    assert from_file(tmp_path, "data: ~/talks")["data"] == Path.home() / "talks"


def test_everything_wrong_in_a_file_is_told_at_once_with_the_nearest_name(tmp_path: Path) -> None:
    text = (
        "step: 5\nleave-out: [b]\nzebra: 1\nstreaming: 1\nbetas: [1]\nrate: fast\ndata: 7\n"
        "leave_out: foo\nstreaming: no\nvalidation: {}\n"
    )
    with pytest.raises(OptionError, match="10 faults") as refused:
        from_file(tmp_path, text)
    told = str(refused.value)
    assert "Line 1: `step` is no option here. Did you mean steps?" in told
    assert "Line 2: `leave-out` is no option here. Did you mean leave_out?" in told
    assert "Line 3: `zebra` is no option here.\n" in told
    assert "Line 4: `streaming` must be true or false, but is 1." in told
    assert "Line 5: `betas` must be a list of 2, each of it a number, but is [1]." in told
    assert "Line 6: `rate` must be a number, but is 'fast'." in told
    assert "Line 7: `data` must be a path, but is 7." in told
    assert "Line 8: `leave_out` must be a list, each of it text, but is 'foo'. Write [foo]." in told
    assert "Line 9: `streaming` stands in the file already, in line 4." in told
    assert "Line 10: `validation` must be one value" in told


def test_what_is_missing_and_what_is_wrong_are_told_at_once() -> None:
    with pytest.raises(OptionError) as refused:
        build_options(CLASSES, {"steps": 0, "rate": -1.0})
    told = str(refused.value)
    assert "`--data` must be given, as a flag or as `data` in a file." in told
    assert "`rate` must be a number above 0" in told


def test_one_fault_alone_is_told_as_its_class_tells_it() -> None:
    with pytest.raises(OptionError, match=r"^The learning: `steps` must be at least 1, but is 0\.$"):
        build_options(CLASSES, {"steps": 0, "data": Path("a")})


def test_a_name_stands_in_one_class_only() -> None:
    @dataclass(frozen=True)
    class Other(Options):
        steps: int = option(1, "Others.")

    with pytest.raises(ValueError, match="`steps` must stand in one class"):
        fields_of((*CLASSES, Other))
