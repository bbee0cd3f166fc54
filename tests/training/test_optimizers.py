import pytest
import torch
from torch import nn
from torch.optim import AdamW, Muon

from bartleby.errors import OptionError
from bartleby.training.optimizers import build_optimizers
from bartleby.training.settings import OptimizerOptions


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
    adam, muon = build_optimizers(tied_model(), OptimizerOptions(optimizer="muon"))
    assert isinstance(adam, AdamW)
    assert isinstance(muon, Muon)
    assert [shapes(group) for group in muon.param_groups] == [[(4, 4)]]
    assert [shapes(group) for group in adam.param_groups] == [[(10, 4)], [(4,), (4,), (4,)]]


def test_adamw_moves_everything_once_and_spares_vectors_the_decay() -> None:
    [adam] = build_optimizers(tied_model(), OptimizerOptions(optimizer="adamw", weight_decay=0.1))
    assert [shapes(group) for group in adam.param_groups] == [[(10, 4), (4, 4)], [(4,), (4,), (4,)]]
    assert [group["weight_decay"] for group in adam.param_groups] == [0.1, 0.0]


def test_frozen_parameters_stay() -> None:
    model = tied_model()
    model["layer"].requires_grad_(False)
    [adam] = build_optimizers(model, OptimizerOptions(optimizer="adamw"))
    assert [shapes(group) for group in adam.param_groups] == [[(10, 4)], [(4,), (4,)]]


def test_adafactor_keeps_a_number_a_row_and_a_column() -> None:
    model = tied_model()
    [optimizer] = build_optimizers(model, OptimizerOptions(optimizer="adafactor"))
    model["layer"](torch.ones(1, 4)).sum().backward()
    optimizer.step()
    state = optimizer.state[model["layer"].weight]
    assert (state["row_var"].numel(), state["col_var"].numel()) == (4, 4)


def test_a_model_that_is_frozen_altogether_is_refused() -> None:
    with pytest.raises(OptionError, match="Every parameter of the model is frozen"):
        build_optimizers(tied_model().requires_grad_(False), OptimizerOptions())


def test_muon_without_a_matrix_to_move_is_refused() -> None:
    model = tied_model()
    model["layer"].weight.requires_grad_(False)
    with pytest.raises(OptionError, match=r"`optimizer` must not be muon where no matrix .* Choose adamw"):
        build_optimizers(model, OptimizerOptions(optimizer="muon"))


def test_muon_needs_nothing_beside_its_matrices() -> None:
    model = tied_model().requires_grad_(False)
    model["layer"].weight.requires_grad_(True)
    [muon] = build_optimizers(model, OptimizerOptions(optimizer="muon"))
    assert isinstance(muon, Muon)
