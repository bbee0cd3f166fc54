from itertools import pairwise

import pytest
from torch import nn
from torch.optim import AdamW, Muon

from bartleby.errors import OptionError
from bartleby.training.optimizers import OptimizerOptions, build_optimizers
from bartleby.training.trainer import TrainingOptions


def tied_model() -> nn.Module:
    model = nn.ModuleDict(
        {
            "table": nn.Embedding(10, 4),
            "layer": nn.Linear(4, 4),
            "norm": nn.LayerNorm(4),
            "head": nn.Linear(4, 10, False),
        }
    )
    model["head"].weight = model["table"].weight
    return model


def shapes(group: dict[str, list[nn.Parameter]]) -> list[tuple[int, ...]]:
    return [tuple(parameter.shape) for parameter in group["params"]]


def test_muon_moves_the_matrices_of_layers_and_nothing_else() -> None:
    adam, muon = build_optimizers(tied_model(), OptimizerOptions("muon"))
    assert isinstance(adam, AdamW)
    assert isinstance(muon, Muon)
    assert [shapes(group) for group in muon.param_groups] == [[(4, 4)]]
    assert [shapes(group) for group in adam.param_groups] == [[(10, 4)], [(4,), (4,), (4,)]]


def test_adamw_moves_everything_once_and_spares_vectors_the_decay() -> None:
    [adam] = build_optimizers(tied_model(), OptimizerOptions("adamw", weight_decay=0.1))
    assert [shapes(group) for group in adam.param_groups] == [[(10, 4), (4, 4)], [(4,), (4,), (4,)]]
    assert [group["weight_decay"] for group in adam.param_groups] == [0.1, 0.0]


def test_frozen_parameters_stay() -> None:
    model = tied_model()
    model["layer"].requires_grad_(False)
    [adam] = build_optimizers(model, OptimizerOptions("adamw"))
    assert [shapes(group) for group in adam.param_groups] == [[(10, 4)], [(4,), (4,)]]


def test_the_rate_rises_then_falls_to_its_final_share() -> None:
    options = OptimizerOptions(warmup_steps=10, final_share=0.02)
    shares = [options.share_at(step, steps=100) for step in range(101)]
    assert shares[:10] == pytest.approx([step / 10 for step in range(1, 11)])
    assert shares[55] == pytest.approx(0.51)
    assert shares[100] == pytest.approx(0.02)
    assert all(earlier >= later for earlier, later in pairwise(shares[10:]))


def test_without_a_rise_the_first_step_is_a_full_one() -> None:
    assert OptimizerOptions(warmup_steps=0).share_at(0, steps=10) == 1.0


def test_all_faults_are_named_at_once() -> None:
    wrong = OptimizerOptions("sgd", learning_rate=0, clip_norm=float("inf"), betas=(0.9, 1.0), warmup_steps=-1)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match=r"has 6 faults(?s:.*)`steps` must be at least 1, but is 0"):
        TrainingOptions(0, wrong)
