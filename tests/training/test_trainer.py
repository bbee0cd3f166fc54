from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bartleby.backends.pytorch.models import BartForConditionalGeneration
from bartleby.errors import CheckpointError, OptionError
from bartleby.family.config import BartConfig
from bartleby.training.batches import Batch
from bartleby.training.objectives import Objective
from bartleby.training.objectives.likelihood import TargetLoss
from bartleby.training.settings import TrainingOptions
from bartleby.training.trainer import Trainer, seed_of

OPTIONS = TrainingOptions(steps=12, learning_rate=0.05, matrix_rate=0.05, warmup_steps=2, precision="no", seed=1)


class Fit(Objective):
    """Squared error of a small network with dropout."""

    def __init__(self, dropout: float = 0.1) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Dropout(dropout), nn.Linear(16, 1))  # type: ignore[assignment]

    def forward(self, part: Batch, whole: Batch) -> dict[str, Tensor]:
        inputs, outputs = (torch.from_numpy(part.arrays[name]) for name in ("inputs", "outputs"))
        errors = self.model(inputs) - outputs
        shares = {"square": errors.square().sum(), "size": 0.1 * errors.abs().sum()}
        return {name: share / whole.examples for name, share in shares.items()}


SIZES: dict[str, int] = {
    "d_model": 8,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 8,
    "decoder_ffn_dim": 8,
}


def texts(start: int) -> Iterator[Batch]:
    """Random tokens, four rows a batch."""
    for number in count(start):
        ids = np.random.default_rng(number).integers(4, 20, (4, 6))
        yield Batch({"input_ids": ids, "attention_mask": np.ones_like(ids), "decoder_input_ids": ids, "labels": ids})


def points(start: int) -> Iterator[Batch]:
    """Points of space and their sums, eight a batch."""
    number = start
    while True:
        inputs = torch.randn(8, 3, generator=torch.Generator().manual_seed(number))
        mask = torch.ones(8, 3)
        outputs = inputs.sum(dim=1, keepdim=True)
        yield Batch({"inputs": inputs.numpy(), "outputs": outputs.numpy(), "attention_mask": mask.numpy()})
        number += 1


def optimized_by(name: str, **others: Any) -> TrainingOptions:
    """As `OPTIONS`; only Muon has a rate for matrices."""
    own = {} if name == "muon" else OPTIONS.defaults_of(["matrix_rate"])
    return replace(OPTIONS, optimizer=name, **{**own, **others})


def losses(trainer: Trainer) -> list[float]:
    return [report.loss for report in trainer.run()]


@pytest.mark.parametrize("name", ["muon", "adamw", "adafactor"])
def test_a_loss_falls(name: str) -> None:
    options = optimized_by(name, steps=60)
    fell = losses(Trainer(Fit(), points, options))
    assert len(fell) == 60
    assert sum(fell[-10:]) < 0.3 * sum(fell[:10])


EVERYTHING = {"accumulation": 3, "ema_decay": 0.9, "schedule": "linear"}


@pytest.mark.parametrize("name", ["muon", "adamw", "adafactor"])
def test_a_run_taken_up_again_takes_the_same_steps(name: str, tmp_path: Path) -> None:
    options = optimized_by(name, **EVERYTHING)
    whole = Trainer(Fit(), points, options)
    unbroken = losses(whole)
    first = Trainer(Fit(), points, options)
    steps = first.run()
    before = [next(steps).loss for _ in range(5)]
    torch.save(first.state(), tmp_path / "state.pt")
    torch.rand(7)  # what others draw changes nothing
    second = Trainer(Fit(), points, options)
    second.restore(torch.load(tmp_path / "state.pt", weights_only=True))
    assert before + losses(second) == unbroken
    with whole.whole_model() as wanted, second.whole_model() as found:
        assert all(map(torch.equal, wanted.parameters(), found.parameters()))


@pytest.mark.parametrize("accumulation", [2, 3, 11])
def test_micro_batches_change_nothing(accumulation: int) -> None:
    together = losses(Trainer(Fit(dropout=0), points, OPTIONS))
    options = replace(OPTIONS, accumulation=accumulation)
    assert losses(Trainer(Fit(dropout=0), points, options)) == pytest.approx(together, rel=1e-5)


def test_no_more_micro_batches_are_made_than_there_are_rows() -> None:
    class Counted(Fit):
        calls = 0

        def forward(self, part: Batch, whole: Batch) -> dict[str, Tensor]:
            self.calls += 1
            return super().forward(part, whole)

    objective = Counted()
    next(Trainer(objective, points, replace(OPTIONS, accumulation=1000)).run())
    assert objective.calls == 8


def test_every_part_of_every_step_draws_numbers_of_its_own() -> None:
    seeds = {seed_of(seed, step, part) for seed in range(4) for step in range(50) for part in range(8)}
    assert len(seeds) == 4 * 50 * 8


def test_the_trainer_leaves_random_numbers_as_they_were() -> None:
    steps = Trainer(Fit(), points, OPTIONS).run()
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    next(steps)
    assert torch.equal(torch.rand(3), wanted)


def test_a_state_of_another_model_is_refused_by_name() -> None:
    state = Trainer(Fit(), points, OPTIONS).state()
    frozen = Fit()
    frozen.model[0].bias.requires_grad_(False)
    with pytest.raises(CheckpointError, match=r"`model\.0\.bias` is trained in only one"):
        Trainer(frozen, points, OPTIONS).restore(state)


def test_frozen_parameters_stay() -> None:
    fit = Fit()
    fit.model[0].requires_grad_(False)
    before = [parameter.clone() for parameter in fit.model[0].parameters()]
    losses(Trainer(fit, points, replace(OPTIONS, ema_decay=0.5)))
    assert all(map(torch.equal, before, fit.model[0].parameters()))


def test_what_is_validated_and_saved_are_the_averages() -> None:
    fit = Fit()
    trainer = Trainer(fit, points, replace(OPTIONS, ema_decay=0.9))
    losses(trainer)
    weights = [parameter.clone() for parameter in fit.model.parameters()]
    with trainer.whole_model() as model:
        assert model is fit.model
        assert not any(map(torch.equal, weights, model.parameters()))
        assert all(map(torch.equal, trainer.averages.values.values(), model.parameters()))
    assert all(map(torch.equal, weights, fit.model.parameters()))


def test_a_report_says_what_the_step_was() -> None:
    report = next(Trainer(Fit(), points, OPTIONS).run())
    assert (report.step, report.examples, report.tokens) == (1, 8, 24)
    assert report.learning_rate == pytest.approx(0.025)  # half way up
    assert report.gradient_norm > 0
    assert set(report.terms) == {"square", "size"}
    assert sum(report.terms.values()) == pytest.approx(report.loss)
    assert report.seconds > 0


def test_arithmetic_outside_the_steps_stays_what_it_was() -> None:
    next(Trainer(Fit(), points, OPTIONS).run())
    assert float(torch.tensor(1e-40) * 0.5) > 0  # smaller than any normal float32


@pytest.mark.parametrize(("precision", "dtype"), [("bf16", torch.bfloat16), ("no", torch.float32)])
def test_products_are_in_the_precision_asked_for(precision: str, dtype: torch.dtype) -> None:
    seen = []
    fit = Fit()
    fit.model[0].register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    trainer = Trainer(fit, points, replace(OPTIONS, precision=precision))
    assert next(trainer.run()).loss > 0
    assert seen == [dtype]
    assert {parameter.dtype for parameter in fit.parameters()} == {torch.float32}


def test_steps_that_overflow_float16_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bartleby.training.devices.refuse_precision", lambda name, device: None)  # slow, but it can
    trainer = Trainer(Fit(), points, replace(OPTIONS, steps=40, precision="fp16"))
    fell = list(trainer.run())
    assert fell[0].skipped  # the first scale is a guess, and too large
    assert not fell[-1].skipped
    assert sum(report.loss for report in fell[-5:]) < 0.6 * sum(report.loss for report in fell[:5])


def test_gradients_are_cut_to_their_greatest_length() -> None:
    fits, norms = {}, {}
    for clip_norm in (0.0, 1e-12):  # never, and below what AdamW takes for nothing
        fits[clip_norm] = Fit()
        trainer = Trainer(fits[clip_norm], points, optimized_by("adamw", clip_norm=clip_norm))
        norms[clip_norm] = next(trainer.run()).gradient_norm
    moved = {key: (fit.model[0].weight - Fit().model[0].weight).detach().abs().max() for key, fit in fits.items()}
    assert moved[1e-12] < 0.05 * moved[0.0]
    assert norms[0.0] == norms[1e-12] > 0  # told as it was


def test_a_loss_that_is_no_number_stops_the_run_before_it_spoils_the_weights() -> None:
    fit = Fit()
    trainer = Trainer(fit, points, OPTIONS)
    next(trainer.run())
    weights = [parameter.detach().clone() for parameter in fit.parameters()]
    hook = fit.model[0].register_forward_hook(lambda module, inputs, output: output * float("nan"))
    with pytest.raises(OptionError, match="became nan at step 2"):
        next(trainer.run())
    hook.remove()
    assert all(map(torch.equal, weights, fit.parameters()))
    assert trainer.step == 1


def test_a_training_without_a_length_is_refused() -> None:
    with pytest.raises(OptionError, match="`steps` must be given"):
        Trainer(Fit(), points, TrainingOptions())


@pytest.mark.parametrize("accumulation", [1, 2])
def test_layers_that_run_again_change_no_step(accumulation: int) -> None:
    def taken(gradient_checkpointing: bool) -> list[float]:
        options = replace(OPTIONS, steps=4, accumulation=accumulation, gradient_checkpointing=gradient_checkpointing)
        torch.manual_seed(0)
        config = BartConfig(vocab_size=20, **SIZES, dropout=0.2, encoder_layerdrop=0.3)
        return losses(Trainer(TargetLoss(BartForConditionalGeneration(config)), texts, options))

    assert taken(True) == taken(False)
