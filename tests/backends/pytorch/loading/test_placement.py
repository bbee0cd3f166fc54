import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch import models  # noqa: E402  after the skip
from bartleby.backends.pytorch.loading.placement import dtype_of, place_of  # noqa: E402
from bartleby.errors import OptionError  # noqa: E402
from bartleby.family.config import BartConfig  # noqa: E402
from tests.backends.pytorch.saved_models import config_of, equal, rewritten, small  # noqa: E402

LOGGER = "bartleby.backends.report"


@pytest.mark.parametrize(
    ("asked", "stored", "expected"),
    [
        ({}, torch.float16, torch.float32),
        ({}, torch.bfloat16, torch.float32),
        ({"dtype": "auto"}, torch.bfloat16, torch.bfloat16),
        ({"torch_dtype": "auto"}, torch.float16, torch.float16),
        ({"dtype": torch.float16}, torch.float32, torch.float16),
        ({"torch_dtype": "torch.float64"}, torch.float32, torch.float64),
    ],
)
def test_weights_are_float32_unless_asked_otherwise(tmp_path: Path, asked: Any, stored: Any, expected: Any) -> None:
    model = small(models.BartForConditionalGeneration).to(stored)
    model.save_pretrained(tmp_path)
    loaded = models.BartForConditionalGeneration.from_pretrained(tmp_path, **asked)
    assert {tensor.dtype for tensor in loaded.state_dict().values()} == {expected}
    assert loaded.config.dtype == str(expected).removeprefix("torch.")
    assert equal(model.to(expected), loaded)


def test_auto_takes_the_type_of_the_weights_where_the_config_names_none(tmp_path: Path) -> None:
    folder = rewritten(tmp_path, small(models.BartModel).half())
    fields = json.loads((folder / "config.json").read_text())
    assert fields.pop("dtype") == "float16"
    (folder / "config.json").write_text(json.dumps(fields))
    assert models.BartModel.from_pretrained(folder, dtype="auto").dtype == torch.float16


def test_tables_that_are_not_tied_do_not_share_memory(tmp_path: Path) -> None:
    """Releases 4.x saved only `shared` and lm_head of an untied model: both stacks take their tables from it."""
    model = models.BartForConditionalGeneration(
        config_of(models.BartForConditionalGeneration, tie_word_embeddings=False)
    )
    folder = rewritten(tmp_path, model, drop=("model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight"))
    loaded = models.BartForConditionalGeneration.from_pretrained(folder).model
    with torch.no_grad():
        loaded.encoder.embed_tokens.weight.zero_()
    assert torch.equal(loaded.decoder.embed_tokens.weight, model.model.shared.weight)
    assert torch.equal(loaded.shared.weight, model.model.shared.weight)


def test_loaded_weights_are_the_file_and_not_a_copy(tmp_path: Path) -> None:
    small(models.BartModel).save_pretrained(tmp_path)
    one = models.BartModel.from_pretrained(tmp_path)
    assert one.shared.weight.data_ptr() == one.encoder.embed_tokens.weight.data_ptr()
    with torch.no_grad():
        one.shared.weight.fill_(7)  # changes this process's memory, not the file
    assert not (models.BartModel.from_pretrained(tmp_path).shared.weight == 7).any()


@pytest.mark.parametrize("device_map", ["cpu", {"": "cpu"}, {"encoder": "cpu", "decoder": torch.device("cpu")}, {}])
def test_a_map_to_one_device_is_that_device(device_map: Any) -> None:
    assert place_of(None, device_map) == place_of("cpu", device_map) == torch.device("cpu")


def test_auto_is_the_accelerator_or_else_the_processor() -> None:
    wanted = torch.accelerator.current_accelerator().type if torch.accelerator.is_available() else "cpu"
    assert {place_of(None, name).type for name in ("auto", "balanced", "sequential")} == {wanted}


def test_where_nothing_is_said_it_is_torch_s_default() -> None:
    assert place_of(None, None) == torch.device("cpu")
    with torch.device("meta"), pytest.raises(OptionError, match="must have memory, but is 'meta'"):
        place_of(None, None)


def test_several_devices_are_refused() -> None:
    with pytest.raises(OptionError, match="names cpu, cuda:0: a model of this family lies on one device"):
        place_of(None, {"encoder": "cpu", "decoder": 0 if torch.cuda.is_available() else "cuda:0"})
    with pytest.raises(OptionError, match="must be one that torch knows"):
        place_of(None, {"encoder": "disk"})


@pytest.mark.parametrize(("default", "expected"), [(torch.float32, torch.float32), (torch.float64, torch.float64)])
def test_the_type_is_torch_s_default_unless_asked_otherwise(default: Any, expected: Any) -> None:
    torch.set_default_dtype(default)
    try:
        assert dtype_of(None, None, "float16") == expected
    finally:
        torch.set_default_dtype(torch.float32)
    assert dtype_of("auto", None, "float16") == torch.float16
    assert dtype_of(torch.bfloat16, "torch.bfloat16", None) == torch.bfloat16


PROGRAM = """
import sys
from pathlib import Path
from bartleby import BartModel
from bartleby.backends.pytorch.loading import placement

def peak():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024

BartModel.from_pretrained(sys.argv[1], dtype="float32")  # everything is imported, and torch's own memory taken
Path("/proc/self/clear_refs").write_text("5")  # the peak is what is used now
before = peak()
model = BartModel.from_pretrained(sys.argv[2], dtype="float32")
total = sum(float(parameter.detach().sum()) for parameter in model.parameters())  # every page is touched
print((peak() - before) / model.get_memory_footprint())
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="reads what Linux says of memory")
@pytest.mark.parametrize("stored_as", ["float32", "float16", "bfloat16"])
def test_no_more_memory_is_taken_than_the_weights_need(tmp_path: Path, stored_as: str) -> None:
    small(models.BartModel).save_pretrained(tmp_path / "tiny")
    config = BartConfig(vocab_size=30_000, d_model=512, encoder_layers=2, decoder_layers=2, encoder_attention_heads=8,
                        decoder_attention_heads=8, encoder_ffn_dim=2048, decoder_ffn_dim=2048)  # fmt: skip
    models.BartModel._from_config(config, dtype=stored_as).save_pretrained(tmp_path / "large")
    arguments = [sys.executable, "-c", PROGRAM, str(tmp_path / "tiny"), str(tmp_path / "large")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(arguments, capture_output=True, text=True, check=True, env=environment)
    assert float(ran.stdout) < 1.15
