import pytest

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch.decoding.inputs import Inputs, prepare  # noqa: E402  after the skip
from bartleby.backends.pytorch.decoding.writer import ModelWriter  # noqa: E402
from tests.backends.pytorch.test_generation import batch, model_of, types  # noqa: E402


@types
def test_a_writer_says_what_the_model_says(model_type: str) -> None:
    """With memory or without, whichever rows go on, and when sources are forgotten."""
    model = model_of(model_type)
    inputs = batch(model)
    prepared = prepare(model, Inputs(**inputs), model.generation_config)
    for remembers in (True, False):
        writer = ModelWriter(model, prepared)
        if remembers:
            writer.take_memory(6)
        writer.step(prepared.prompts)
        writer.reorder(torch.tensor([0, 0, 1, 1, 2, 2]))  # two rows a source
        ids = torch.cat([prepared.prompts.repeat_interleave(2, dim=0), torch.arange(5, 11)[:, None]], dim=1)
        writer.step(ids)
        writer.keep(torch.tensor([0, 2]))
        writer.reorder(torch.tensor([1, 0, 5, 4]))
        ids = torch.cat([ids[[1, 0, 5, 4]], torch.tensor([[12], [13], [14], [15]])], dim=1)
        found = writer.step(ids)
        sources = {name: value[[0, 0, 2, 2]] for name, value in inputs.items()}
        expected = model(**sources, decoder_input_ids=ids).logits[:, -1].float()
        assert torch.allclose(found, expected, atol=1e-5)
