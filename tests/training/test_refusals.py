import pytest
import torch
from torch import nn

from bartleby.backends.pytorch.models import BartForConditionalGeneration
from bartleby.errors import OptionError
from bartleby.family.config import BartConfig
from bartleby.training.objectives import Objective
from bartleby.training.objectives.likelihood import TargetLoss
from bartleby.training.refusals import refuse, skips_layers


class Writing(Objective):
    generates = True

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Linear(2, 2)  # type: ignore[assignment]


def test_a_usual_training_is_let_through() -> None:
    refuse(Writing(), "muon", "bf16", processes=2, shards=False)


def test_half_precision_weights_are_refused_unless_frozen() -> None:
    objective = Writing().to(torch.bfloat16)
    with pytest.raises(OptionError, match="must be float32, for small steps are lost in bfloat16"):
        refuse(objective, "adamw", "bf16", processes=1, shards=False)
    refuse(objective.requires_grad_(False), "adamw", "bf16", processes=1, shards=False)


def test_all_that_stands_against_dividing_weights_is_named() -> None:
    with pytest.raises(OptionError, match=r"(?s)4 faults.*there is one.*muon needs.*fp16.*Writing writes texts"):
        refuse(Writing(), "muon", "fp16", processes=1, shards=True)
    with pytest.raises(OptionError, match="adafactor needs whole matrices"):
        refuse(TargetLoss(nn.Linear(2, 2)), "adafactor", "no", processes=2, shards=True)


@pytest.mark.parametrize("stack", ["encoder", "decoder"])
def test_layers_that_are_skipped_are_noticed(stack: str) -> None:
    sizes = {"d_model": 8, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 8, "decoder_ffn_dim": 8}
    heads = {"encoder_attention_heads": 1, "decoder_attention_heads": 1}
    config = BartConfig(vocab_size=10, **sizes, **heads, **{f"{stack}_layerdrop": 0.5})
    objective = TargetLoss(BartForConditionalGeneration(config))
    assert skips_layers(objective)
    with pytest.raises(OptionError, match="LayerDrop must be 0: with `sharding`"):
        refuse(objective, "adamw", "no", processes=2, shards=True)
