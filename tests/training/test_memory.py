import numpy as np
import pytest
import torch

from bartleby.backends.pytorch.model import Model
from bartleby.backends.pytorch.models import BartForCausalLM, BartForConditionalGeneration
from bartleby.family.config import BartConfig
from bartleby.training.batches import Batch
from bartleby.training.devices import Precision
from bartleby.training.memory import Memory, optimizer_numbers, training_bytes
from bartleby.training.objectives.likelihood import TargetLoss
from bartleby.training.optimizers import build_optimizers
from bartleby.training.settings import TrainingOptions

ROWS, LENGTH = 40, 24


def model(causal: bool = False, **changes: float) -> Model:
    layers = {"encoder_layers": 3, "decoder_layers": 4, "encoder_ffn_dim": 128, "decoder_ffn_dim": 160}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 4}
    sizes = {"vocab_size": 60, "d_model": 32, "max_position_embeddings": 32, "dropout": 0.1}
    config = BartConfig(**{**sizes, **layers, **heads, **changes})
    return (BartForCausalLM if causal else BartForConditionalGeneration)(config)


def saved_bytes(taught: Model, options: TrainingOptions) -> int:
    """What autograd holds after a pass, weights left out, and the gradient of the scores."""
    ids = np.random.default_rng(0).integers(5, 60, (ROWS, LENGTH))
    arrays = {"input_ids": ids, "attention_mask": np.ones_like(ids), "labels": ids}
    batch = Batch({**arrays, "decoder_input_ids": ids} if taught.config.is_encoder_decoder else arrays)
    if options.gradient_checkpointing:
        taught.gradient_checkpointing_enable()
    own = {each.untyped_storage().data_ptr() for each in [*taught.parameters(), *taught.buffers()]}
    sizes: dict[int, tuple[int, torch.Tensor]] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        is_cast = tensor.dtype == torch.bfloat16 and tensor.ndim == 2 and len(tensor) != ROWS * LENGTH  # of a weight
        if storage.data_ptr() not in own and not is_cast:
            sizes[storage.data_ptr()] = storage.nbytes(), tensor
        return tensor

    device = torch.device("cpu")
    hooks = torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor)
    with hooks, Precision(options.precision, device).autocast():
        TargetLoss(taught.train())(batch, batch)
    return sum(size for size, _ in sizes.values())


@pytest.mark.parametrize("precision", ["no", "bf16"])
@pytest.mark.parametrize("changes", [{}, {"dropout": 0.0}, {"attention_dropout": 0.1}, {"causal": True}])
def test_activations_are_what_autograd_keeps(precision: str, changes: dict[str, float]) -> None:
    options = TrainingOptions(steps=1, precision=precision)
    taught = model(**changes)
    places = ROWS * LENGTH * (1 if "causal" in changes else 2)
    estimate = training_bytes(taught, options, places, LENGTH).activations
    assert estimate == pytest.approx(saved_bytes(taught, options), rel=0.25)


@pytest.mark.parametrize("optimizer", ["adamw", "muon", "adafactor"])
def test_optimizers_keep_as_many_numbers_as_counted(optimizer: str) -> None:
    taught = model()
    taught.model.encoder.requires_grad_(False)
    built = build_optimizers(taught, TrainingOptions(steps=1, optimizer=optimizer))
    for parameter in taught.parameters():
        parameter.grad = torch.ones_like(parameter) if parameter.requires_grad else None
    for each in built:
        each.step()
    kept = [value for each in built for state in each.state.values() for name, value in state.items() if name != "step"]
    assert sum(value.numel() for value in kept) == optimizer_numbers(taught, optimizer)


def test_weights_gradients_and_averages_are_four_bytes_each() -> None:
    taught = model()
    taught.model.shared.requires_grad_(False)
    count = sum(parameter.numel() for parameter in taught.parameters())
    trained = count - taught.model.shared.weight.numel()
    memory = training_bytes(taught, TrainingOptions(steps=1, precision="no", ema_decay=0.9), 100)
    assert (memory.weights, memory.gradients, memory.averages) == (4 * count, 4 * trained, 4 * trained)
    assert memory.total == sum(vars(memory).values())


def test_what_is_shared_out_takes_less() -> None:
    def total(processes: int = 1, **changes: object) -> Memory:
        options = TrainingOptions(**{"steps": 1, "precision": "no", "optimizer": "adamw", **changes})  # type: ignore[arg-type]
        return training_bytes(model(), options, 960, LENGTH, processes)

    alone = total()
    assert total(accumulation=4).activations == pytest.approx(alone.activations / 4, rel=0.01)
    assert total(processes=2).activations == pytest.approx(alone.activations / 2, rel=0.01)
    assert total(processes=2).optimizer == alone.optimizer
    assert total(processes=2, sharding="full").optimizer == alone.optimizer // 2
    assert total(gradient_checkpointing=True).activations < 0.5 * alone.activations
    assert total().averages == 0


def test_layers_that_run_again_leave_what_entered_them() -> None:
    kept_whole = TrainingOptions(steps=1, precision="no")
    options = TrainingOptions(steps=1, precision="no", gradient_checkpointing=True)
    layer = saved_bytes(model(), kept_whole) - saved_bytes(model(decoder_layers=3), kept_whole)
    estimate = training_bytes(model(), options, 2 * ROWS * LENGTH, LENGTH).activations
    assert estimate == pytest.approx(saved_bytes(model(), options) + layer, rel=0.25)
