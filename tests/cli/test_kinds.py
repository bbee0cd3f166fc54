import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("accelerate")
pytest.importorskip("yaml")

from bartleby import errors
from bartleby.training.recipes import RECIPES
from bartleby.training.run import Run
from bartleby.training.trainer import StepReport
from tests.cli.conftest import Ran

Bartleby = Callable[..., Ran]

DATA = Path(__file__).resolve().parents[2] / "examples" / "data"
TINY = """
batch_tokens: 200
precision: no
warmup_steps: 1
vocab_size: 300
change:
  - d_model=16
  - encoder_layers=1
  - decoder_layers=1
  - encoder_attention_heads=2
  - decoder_attention_heads=2
  - encoder_ffn_dim=24
  - decoder_ffn_dim=24
"""
HEAVY = """
import sys
from bartleby.cli import main
try:
    main()
finally:
    print(*{"torch", "accelerate", "datasets", "yaml"} & {*sys.modules}, file=sys.stderr)
"""


@pytest.fixture
def command(tmp_path: Path) -> list[object]:
    """A training of seconds, without its length."""
    config = tmp_path / "tiny.yaml"
    config.write_text(f"data: {DATA / 'chat'}\n{TINY}", encoding="utf-8")
    return ["train", "chat", "--config", config, "--run-dir", tmp_path / "run"]


def recipe_of(run: Path) -> dict[str, object]:
    recipe: dict[str, object] = json.loads((run / "recipe.json").read_text(encoding="utf-8"))
    return recipe


def test_a_run_prints_where_its_model_is_and_nothing_else(bartleby: Bartleby, command: list[object]) -> None:
    ran = bartleby(*command, "--steps", 3)
    assert ran.code == 0, ran.err
    folder = Path(ran.out.strip())
    assert folder.name == "step-00000003"
    assert (folder / "model.safetensors").is_file()
    assert "12 dialogues gave 34 examples" in ran.err
    assert "step 3 of 3: loss" in ran.err
    assert "Validation after step 3: perplexity" in ran.err


def test_flags_override_the_file(bartleby: Bartleby, command: list[object], tmp_path: Path) -> None:
    ran = bartleby(*command, "--steps", 1, "--batch-tokens", 300, "--betas", 0.5, 0.75, "--seed", 4)
    assert ran.code == 0, ran.err
    recipe = recipe_of(tmp_path / "run")
    wanted = {
        "kind": "chat",
        "batch_tokens": 300,
        "betas": [0.5, 0.75],
        "seed": 4,
        "vocab_size": 300,
        "precision": "no",
    }
    assert {name: recipe[name] for name in wanted} == wanted


def test_adapters_can_be_taught_from_any_checkpoint(bartleby: Bartleby, tiny_chat: Path, tmp_path: Path) -> None:
    sizes = ["--steps", 1, "--source-tokens", 64, "--batch-tokens", 300]
    command = ["train", "chat", "--data", DATA / "chat", "--model", tiny_chat, "--run-dir", tmp_path, *sizes]
    ran = bartleby(*command, "--lora", "--lora-rank", 2, "--optimizer", "adamw")
    assert ran.code == 0, ran.err
    assert recipe_of(tmp_path)["lora_rank"] == 2


def test_a_finished_run_can_be_exported_at_once_or_later(
    bartleby: Bartleby, command: list[object], tmp_path: Path
) -> None:
    ran = bartleby(*command, "--steps", 2, "--export", tmp_path / "one")
    assert (ran.code, ran.out) == (0, f"{tmp_path / 'one'}\n"), ran.err
    ran = bartleby("train", "export", tmp_path / "run", tmp_path / "two")
    assert (ran.code, ran.out) == (0, f"{tmp_path / 'two'}\n"), ran.err
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "two")]
    assert weights[0] == weights[1]
    assert (tmp_path / "two" / "README.md").read_text().startswith("---\nlibrary_name: bartleby\n")


def test_where_an_export_cannot_go_is_told_before_the_training(
    bartleby: Bartleby, command: list[object], tmp_path: Path
) -> None:
    for name in ("config.json", "poems.txt"):
        target = tmp_path / name[:-5]
        target.mkdir()
        (target / name).touch()
        ran = bartleby(*command, "--steps", 1, "--export", target)
        assert (ran.code, ran.out) == (1, "")
        assert "Choose another folder" in ran.err
    assert not (tmp_path / "run").exists()
    ran = bartleby(*command, "--steps", 1, "--export", tmp_path / "config", "--force")
    assert ran.code == 0, ran.err
    assert (tmp_path / "config" / "model.safetensors").is_file()
    ran = bartleby(*command, "--steps", 1, "--force")
    assert (ran.code, ran.out) == (2, "")
    assert "`force` must be left out where nothing is exported" in ran.err


def test_a_run_ends_well_where_nothing_can_be_drawn(
    bartleby: Bartleby, command: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(errors.EXTRA_MODULES, "log", ("no_such_module",))
    ran = bartleby(*command, "--steps", 1)
    assert ran.code == 0, ran.err
    assert Path(ran.out.strip()).is_dir()
    assert 'Drawing the loss needs no_such_module. Run: pip install "bartleby[log]"' in ran.err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_saves_and_says_how_to_go_on(
    bartleby: Bartleby, command: list[object], monkeypatch: pytest.MonkeyPatch, number: signal.Signals, code: int
) -> None:
    steps = Run.steps

    def interrupted(run: Run, stopped: Callable[[], bool]) -> Iterator[StepReport]:
        for report in steps(run, stopped):
            if report.step == 2:
                signal.raise_signal(number)
            yield report

    monkeypatch.setattr(Run, "steps", interrupted)
    handler = signal.getsignal(number)
    ran = bartleby(*command, "--steps", 4)
    assert (ran.code, ran.out) == (code, "")
    assert "Stopped after step 2, which is saved. The same command goes on from there." in ran.err
    assert signal.getsignal(number) is handler
    monkeypatch.setattr(Run, "steps", steps)
    ran = bartleby(*command, "--steps", 4)
    assert ran.code == 0
    assert "Going on after step 2 of 4." in ran.err


def test_a_second_interrupt_is_obeyed_at_once(
    bartleby: Bartleby, command: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stubborn(run: Run, stopped: Callable[[], bool]) -> Iterator[StepReport]:
        signal.raise_signal(signal.SIGINT)
        assert stopped()
        signal.raise_signal(signal.SIGINT)
        yield pytest.fail("went on")

    monkeypatch.setattr(Run, "steps", stubborn)
    ran = bartleby(*command, "--steps", 4)
    assert (ran.code, ran.out) == (130, "")


def test_a_run_ends_when_patience_does(bartleby: Bartleby, command: list[object]) -> None:
    ran = bartleby(*command, "--steps", 9, "--validation-steps", 1, "--patience", 1, "--learning-rate", 5)
    assert ran.code == 0, ran.err
    assert Path(ran.out.strip()).name < "step-00000009"
    assert "Stopped after" not in ran.err


def test_a_dry_run_tells_and_leaves_nothing(
    bartleby: Bartleby, command: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    before = sorted(tmp_path.rglob("*"))
    ran = bartleby(*command, "--steps", 3, "--dry-run")
    assert ran.code == 0, ran.err
    assert "Steps: 3" in ran.out
    assert "Memory: about" in ran.out
    assert "The first batch" in ran.out
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("kind", RECIPES)
def test_every_kind_has_a_command_that_tells_of_its_options(
    bartleby: Bartleby, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    ran = bartleby("train", kind, "--help")
    assert ran.code == 0
    for field in fields(RECIPES[kind].own):  # type: ignore[arg-type]
        assert f"--{field.name.replace('_', '-')}" in ran.out
    assert {"--config", "--data", "--lora", "--learning-rate", "--epochs", "--dry-run"} <= {*ran.out.split()}


def test_help_needs_nothing_heavy() -> None:
    words = [sys.executable, "-c", HEAVY, "train", "chat", "--help"]
    ran = subprocess.run(words, capture_output=True, text=True)
    assert "--layout" in ran.stdout
    assert ran.stderr.strip() == ""


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ([], 2, "Exactly one of `steps`, `epochs` and `minutes`"),
        (["--steps", 2, "--minutes", 1], 2, "Exactly one of `steps`, `epochs` and `minutes`"),
        (["--steps", 0], 2, "`steps` must be at least 1, but is 0"),
        (["--steps", 1, "--optimizer", "sgd"], 2, "`optimizer` must be one of muon, adamw, adafactor, but is 'sgd'"),
        (["--steps", 1, "--batch-tokens", 5], 2, "`batch_tokens` must be at least"),
        (["--steps", 1, "--change", "heads=3"], 2, "'heads=3'"),
        (["--steps", 1, "--validation", "poems"], 2, "'poems'"),
        (["--steps", 1, "--leave-out", "*"], 1, "has no file NAME.train"),
        (["--steps", 1, "--change", "d_model=15"], 1, "d_model"),
    ],
)
@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_what_cannot_be_is_refused_in_one_line(
    bartleby: Bartleby, command: list[object], options: list[object], code: int, message: str, dry: list[object]
) -> None:
    ran = bartleby(*command, *options, *dry)
    assert (ran.code, ran.out) == (code, "")
    assert message in ran.err.splitlines()[-1]


def test_everything_that_is_missing_or_wrong_is_told_at_once(bartleby: Bartleby) -> None:
    ran = bartleby("train", "chat", "--steps", 0, "--lora-rank", 0)
    assert (ran.code, ran.out) == (2, "")
    assert "`--data` must be given" in ran.err
    assert "`steps` must be at least 1" in ran.err
    assert "`lora_rank` must be at least 1" in ran.err


def test_of_two_processes_one_speaks(command: list[object], tmp_path: Path) -> None:
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone", "-m", "bartleby"]
    ran = subprocess.run([*launch, *map(str, command), "--steps", "2"], capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    assert [Path(line).name for line in ran.stdout.splitlines()] == ["step-00000002"]
    assert ran.stderr.count("step 2 of 2: loss") == 1
    assert ran.stderr.count("dialogues gave") == 1
