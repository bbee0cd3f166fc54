import tarfile
from pathlib import Path

import pytest

from bartleby.errors import CheckpointError, OptionError

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch import models  # noqa: E402  after the skip
from tests.backends.pytorch.saved_models import equal, small  # noqa: E402

LOGGER = "bartleby.backends.report"


def test_arguments_that_cannot_be_are_refused_with_a_reason(tmp_path: Path) -> None:
    small(models.BartModel).save_pretrained(tmp_path)
    load = models.BartModel.from_pretrained
    with pytest.raises(OptionError, match=r"`dtype` must be one of auto, float32, .* but is 'int8'"):
        load(tmp_path, dtype="int8")
    with pytest.raises(OptionError, match="two names of one thing"):
        load(tmp_path, dtype="float16", torch_dtype="float32")
    with pytest.raises(OptionError, match=r"`max_memory` must be None, but is \{0: '1GB'\}: a model of this family"):
        load(tmp_path, max_memory={0: "1GB"})
    with pytest.raises(OptionError, match="`attn_implementation` must be 'sdpa' or 'eager'"):
        load(tmp_path, attn_implementation="flash_attention_2")
    with pytest.raises(OptionError, match="has 3 faults") as refusal:
        load(tmp_path, load_in_8bit=True, gguf_file="x.gguf", from_tf=True, from_flax=True)
    assert "`from_tf` and `from_flax` cannot both be True" in str(refusal.value)
    with pytest.raises(OptionError, match="no kind of file can be asked for beside it"):
        load(tmp_path, state_dict={}, use_safetensors=True)


def test_weights_in_a_pickle_load_too(tmp_path: Path) -> None:
    model = small(models.BartForConditionalGeneration)
    model.save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    load = models.BartForConditionalGeneration.from_pretrained
    assert equal(load(tmp_path), model)
    assert equal(load(tmp_path, use_safetensors=False), model)
    with pytest.raises(CheckpointError, match=r"none of model\.safetensors.*Leave out `use_safetensors`"):
        load(tmp_path, use_safetensors=True)


GOLDENS = Path(__file__).parents[3] / "parity" / "goldens" / "containers.tar.xz"


@pytest.mark.parametrize(("flag", "kind"), [("from_tf", "tensorflow"), ("from_flax", "flax")])
def test_weights_of_another_framework_are_loaded_when_asked_for(tmp_path: Path, flag: str, kind: str) -> None:
    if kind == "tensorflow":
        pytest.importorskip("h5py", reason='TensorFlow\'s files need h5py: pip install "bartleby[convert]"')
    with tarfile.open(GOLDENS) as archive:
        archive.extractall(tmp_path, filter="data")
    for name in ("BartModel", "BartForSequenceClassification", "BlenderbotSmallForConditionalGeneration"):
        load = getattr(models, name).from_pretrained
        expected = load(tmp_path / name / "pytorch")
        assert equal(load(tmp_path / name / kind, **{flag: True}), expected)
        assert equal(load(tmp_path / name / kind), expected)  # there is nothing else
        with pytest.raises(CheckpointError, match=rf"Leave out `{flag}`"):
            load(tmp_path / name / "pytorch", **{flag: True})
