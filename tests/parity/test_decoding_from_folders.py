"""A folder of either library's, decoding options included, writes the same in the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from bartleby.generation.config import GenerationConfig, listed
from tests.parity.decoding import model_of
from tests.parity.draws import Draw, draw
from tests.parity.random_models import MODEL_TYPES

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')
transformers = pytest.importorskip("transformers", reason="needs the reference library: pip install transformers")

from bartleby.backends.pytorch.auto import AutoModelForSeq2SeqLM  # noqa: E402  after the skips


@pytest.mark.usefixtures("quiet")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_folders_go_back_and_forth(tmp_path: Path, model_type: str) -> None:
    drawn = draw(model_type, 300, scale_embedding=False)
    longest, pad = max(map(len, drawn.sources)), drawn.config.pad_token_id
    ids = torch.tensor([[*source, *[pad] * (longest - len(source))] for source in drawn.sources])
    inputs = {"input_ids": ids, "attention_mask": (ids != pad).long()}
    mine = model_of(drawn).float()
    mine.generation_config = GenerationConfig(**drawn.options)
    mine.save_pretrained(tmp_path / "mine")
    expected = mine.generate(**inputs)
    theirs = transformers.AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "mine")
    assert torch.equal(padded_with_pad(theirs.generate(**inputs), drawn), expected)
    theirs.save_pretrained(tmp_path / "theirs")
    again = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "theirs")
    assert torch.equal(again.generate(**inputs), expected)
    for name, tensor in mine.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name


def padded_with_pad(ids: torch.Tensor, drawn: Draw) -> torch.Tensor:
    """5.23 fills up beams with eos where pad is id 0; the documentation, 4.37 and this library fill up with pad."""
    is_end = torch.isin(ids, torch.tensor(listed(drawn.options["eos_token_id"]))).long()
    is_end[:, 0] = 0
    return ids.masked_fill(is_end.cumsum(dim=1) - is_end > 0, drawn.config.pad_token_id)
