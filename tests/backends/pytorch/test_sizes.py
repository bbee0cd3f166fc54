import pytest

from bartleby.family.config import BartConfig

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch import models  # noqa: E402  after the skip
from tests.backends.pytorch.saved_models import small  # noqa: E402

LOGGER = "bartleby.backends.report"


def test_parameters_are_counted_once() -> None:
    config = BartConfig(vocab_size=50, d_model=4, encoder_layers=0 + 1, decoder_layers=1, encoder_ffn_dim=4,
                        decoder_ffn_dim=4, encoder_attention_heads=1, decoder_attention_heads=1,
                        max_position_embeddings=6)  # fmt: skip
    model = models.BartForConditionalGeneration(config)
    tables = 50 * 4 + 2 * 8 * 4
    attention, feed_forward, norm = 4 * (4 * 4 + 4), 2 * (4 * 4 + 4), 2 * 4
    layers = 3 * attention + 2 * feed_forward + (1 + 2 + 3 + 1) * norm
    assert model.num_parameters() == tables + layers
    assert model.num_parameters(exclude_embeddings=True) == layers
    model.model.shared.weight.requires_grad_(False)
    assert model.num_parameters(only_trainable=True) == 2 * 8 * 4 + layers


def test_bytes_of_the_weights_are_counted_once() -> None:
    model = small(models.BartForConditionalGeneration)
    assert model.get_memory_footprint(return_buffers=False) == 4 * model.num_parameters()
    assert model.get_memory_footprint() == 4 * (model.num_parameters() + model.config.vocab_size)
    assert model.half().get_memory_footprint(return_buffers=False) == 2 * model.num_parameters()


def test_work_is_six_operations_for_each_parameter_and_token() -> None:
    model = small(models.BartModel)
    batch = {"input_ids": torch.ones(3, 7, dtype=torch.long)}
    assert model.estimate_tokens(batch) == 21
    assert model.estimate_tokens({}) == 0
    assert model.floating_point_ops(batch) == 6 * 21 * model.num_parameters(exclude_embeddings=True)
    assert model.floating_point_ops(batch, exclude_embeddings=False) == 6 * 21 * model.num_parameters()
