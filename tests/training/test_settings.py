import subprocess
import sys

import pytest

from bartleby.errors import OptionError
from bartleby.training.settings import OptimizerOptions, TrainingOptions


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(
        OptionError, match=r"(?s)has 5 faults.*`optimizer`.*`learning_rate`.*`clip_norm`.*`warmup_steps`"
    ):
        TrainingOptions(steps=0, optimizer="sgd", learning_rate=0.0, clip_norm=float("inf"), warmup_steps=-1)


def test_an_average_that_never_forgets_is_refused() -> None:
    with pytest.raises(OptionError, match=r"(?s)`betas` must be below 1.*`ema_decay` must be below 1"):
        TrainingOptions(steps=1, betas=(0.9, 1.0), ema_decay=1.0)


def test_options_that_cannot_be_are_refused() -> None:
    with pytest.raises(OptionError, match=r"`precision` must be one of no, bf16, fp16, but is 'fp8'(?s:.*)`seed`"):
        TrainingOptions(steps=1, seed=-1, precision="fp8")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"optimizer": "adamw", "matrix_rate": 0.1}, r"`matrix_rate` must be left at 0.004 .* adamw.* but is 0.1\."),
        ({"optimizer": "adafactor", "betas": (0.5, 0.9)}, "`betas` must be left at .* adafactor"),
        ({"schedule": "constant", "final_share": 0.5}, "`final_share` must be left at 0.02 where `schedule` is const"),
    ],
)
def test_options_without_effect_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        TrainingOptions(**values)  # type: ignore[arg-type]


def test_a_seed_is_one_that_pytorch_takes() -> None:
    with pytest.raises(OptionError, match="`seed` must be between 0 and"):
        TrainingOptions(steps=1, seed=2**70)


def test_the_rate_rises_and_falls_as_the_options_say() -> None:
    options = OptimizerOptions(warmup_steps=4, schedule="linear", final_share=0.5)
    assert [options.share_at(step, 12) for step in (0, 3, 4, 8, 12)] == [0.25, 1.0, 1.0, 0.75, 0.5]


def test_options_are_declared_without_torch() -> None:
    script = "import sys, bartleby.training.settings; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout == b"False\n"
