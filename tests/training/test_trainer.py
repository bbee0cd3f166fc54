from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import pytest
import torch
from torch import Tensor, nn

from bartleby.errors import OptionError
from bartleby.training.optimizers import OptimizerOptions
from bartleby.training.trainer import Trainer, TrainingOptions

OPTIONS = TrainingOptions(12, OptimizerOptions(learning_rate=0.05, matrix_rate=0.05, warmup_steps=2), "no", seed=1)


@dataclass(frozen=True)
class Numbers:
    """Points of a plane to be fitted."""

    inputs: Tensor
    outputs: Tensor

    examples = 8
    tokens = 24


class Fit(nn.Module):
    """Squared error of a small network with dropout."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.network = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Dropout(0.1), nn.Linear(16, 1))

    def forward(self, part: Numbers, whole: Numbers) -> dict[str, Tensor]:
        return {"error": (self.network(part.inputs) - part.outputs).square().sum() / len(whole.inputs)}


def points(start: int) -> Iterator[Numbers]:
    number = start
    while True:
        inputs = torch.randn(8, 3, generator=torch.Generator().manual_seed(number))
        yield Numbers(inputs, inputs.sum(dim=1, keepdim=True))
        number += 1


def losses(trainer: Trainer) -> list[float]:
    return [report.loss for report in trainer.run()]


@pytest.mark.parametrize("name", ["muon", "adamw"])
def test_a_loss_falls(name: str) -> None:
    options = replace(OPTIONS, steps=60, optimizer=replace(OPTIONS.optimizer, name=name))
    fell = losses(Trainer(Fit(), points, options))
    assert len(fell) == 60
    assert sum(fell[-10:]) < 0.3 * sum(fell[:10])


@pytest.mark.parametrize("name", ["muon", "adamw"])
def test_a_run_taken_up_again_takes_the_same_steps(name: str) -> None:
    options = replace(OPTIONS, optimizer=replace(OPTIONS.optimizer, name=name))
    unbroken = losses(Trainer(Fit(), points, options))
    first = Trainer(Fit(), points, options)
    steps = first.run()
    before = [next(steps).loss for _ in range(5)]
    weights, state = first.objective.state_dict(), first.state()
    second = Trainer(Fit(), points, options)
    second.objective.load_state_dict(weights)
    second.restore(state)
    assert before + losses(second) == unbroken


def test_a_report_says_what_the_step_was() -> None:
    report = next(Trainer(Fit(), points, OPTIONS).run())
    assert (report.step, report.examples, report.tokens) == (1, 8, 24)
    assert report.learning_rate == pytest.approx(0.025)  # half way up
    assert report.gradient_norm > 0
    assert report.seconds > 0


def test_arithmetic_outside_the_steps_stays_what_it_was() -> None:
    next(Trainer(Fit(), points, OPTIONS).run())
    assert float(torch.tensor(1e-40) * 0.5) > 0  # smaller than any normal float32


@pytest.mark.parametrize(("precision", "dtype"), [("bf16", torch.bfloat16), ("no", torch.float32)])
def test_products_are_in_the_precision_asked_for(precision: Literal["bf16", "no"], dtype: torch.dtype) -> None:
    seen = []
    fit = Fit()
    fit.network[0].register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    trainer = Trainer(fit, points, replace(OPTIONS, precision=precision))
    assert next(trainer.run()).loss > 0
    assert seen == [dtype]
    assert {parameter.dtype for parameter in fit.parameters()} == {torch.float32}


def test_one_process_trains_in_one_precision() -> None:
    Trainer(Fit(), points, OPTIONS)
    with pytest.raises(OptionError, match="`precision` cannot be 'bf16' in this process"):
        Trainer(Fit(), points, replace(OPTIONS, precision="bf16"))


def test_a_loss_that_is_no_number_stops_the_run_before_it_spoils_the_weights() -> None:
    fit = Fit()
    trainer = Trainer(fit, points, OPTIONS)
    next(trainer.run())
    weights = [parameter.detach().clone() for parameter in fit.parameters()]
    hook = fit.network[0].register_forward_hook(lambda module, inputs, output: output * float("nan"))
    with pytest.raises(OptionError, match="became nan at step 2"):
        next(trainer.run())
    hook.remove()
    assert all(map(torch.equal, weights, fit.parameters()))
    assert trainer.step == 1


def test_options_that_cannot_be_are_refused() -> None:
    with pytest.raises(OptionError, match=r"`seed`(?s:.*)`precision` must be no or bf16, but is 'fp8'"):
        TrainingOptions(1, seed=-1, precision="fp8")  # type: ignore[arg-type]
