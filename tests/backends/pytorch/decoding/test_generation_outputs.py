import pytest

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch.decoding import generation_outputs as outputs  # noqa: E402  after the skip


def test_older_names_are_names_of_the_same_classes() -> None:
    assert outputs.GreedySearchEncoderDecoderOutput is outputs.GenerateEncoderDecoderOutput
    assert outputs.ContrastiveSearchDecoderOnlyOutput is outputs.GenerateDecoderOnlyOutput
    assert outputs.BeamSampleEncoderDecoderOutput is outputs.GenerateBeamEncoderDecoderOutput


def test_they_read_as_tuples_and_dicts_like_all_outputs() -> None:
    ids = torch.tensor([[1, 2]])
    output = outputs.GenerateBeamDecoderOnlyOutput(sequences=ids, beam_indices=ids - 1)
    assert output[0] is output["sequences"] is output.sequences
    assert list(output) == ["sequences", "beam_indices"]
    assert len(output.to_tuple()) == 2
