import torch
from torch import nn

from bartleby.training.modes import at_rest


def test_every_module_goes_on_in_its_own_mode() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5)).train()
    model[0].eval()
    with at_rest(model):
        assert not any(module.training for module in model.modules())
        assert not model(torch.ones(1, 2)).requires_grad
    assert [module.training for module in model.modules()] == [True, False, True]
    assert model(torch.ones(1, 2)).requires_grad
