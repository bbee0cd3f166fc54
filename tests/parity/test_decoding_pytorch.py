"""`generate` of the PyTorch models against the reference library: rectangles, padding, seeds, decoders alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bartleby.generation.config import GenerationConfig, listed
from tests.parity.decoding import draws_for_current_release
from tests.parity.draws import Draw
from tests.parity.random_models import MODEL_TYPES

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')
transformers = pytest.importorskip("transformers", reason="needs the reference library: pip install transformers")

from bartleby.backends.pytorch.auto import AutoModelForCausalLM, AutoModelForSeq2SeqLM  # noqa: E402  after the skips
from tests.parity import releases  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
types = pytest.mark.parametrize("model_type", MODEL_TYPES)
BEAMS_ONLY = ("num_beams", "length_penalty", "early_stopping")


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    level = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    yield
    transformers.logging.set_verbosity(level)


def draws(model_type: str, count: int) -> list[Draw]:
    return draws_for_current_release(model_type, range(300, 300 + count))


def ours(drawn: Draw, maker: Any = AutoModelForSeq2SeqLM) -> Any:
    model = maker.from_config(drawn.config).double().eval()
    weights = drawn.weights()
    model.load_state_dict({name: torch.from_numpy(weights[name]) for name in model.state_dict()})
    model.generation_config = GenerationConfig()
    return model


def decoder_of_the_release(drawn: Draw) -> Any:
    fields = {name: getattr(drawn.config, name) for name in releases.CONFIG_FIELDS}
    fields["encoder_layers"] = fields["decoder_layers"]  # 5.23 makes a cache of as many layers as the encoder has
    config = transformers.AutoConfig.for_model(
        drawn.model_type, **fields, is_decoder=True, is_encoder_decoder=False, use_cache=True
    )
    model = transformers.AutoModelForCausalLM.from_config(config).double().eval()
    weights = drawn.weights()
    model.load_state_dict({name: torch.from_numpy(np.ascontiguousarray(weights[name])) for name in model.state_dict()})
    model.generation_config = transformers.GenerationConfig()
    return model


def batch(drawn: Draw) -> dict[str, Any]:
    longest, pad = max(map(len, drawn.sources)), drawn.config.pad_token_id
    rows = [(source, longest - len(source)) for source in drawn.sources]
    inputs = {
        "input_ids": torch.tensor([[*source, *[pad] * gap] for source, gap in rows]),
        "attention_mask": torch.tensor([[1] * len(source) + [0] * gap for source, gap in rows]),
    }
    return inputs if drawn.prompts is None else {**inputs, "decoder_input_ids": torch.tensor(drawn.prompts)}


def padded_with_pad(ids: Any, drawn: Draw, prompt_length: int) -> Any:
    """5.23 fills up beams with eos where pad is id 0; the documentation, 4.37 and this library fill up with pad."""
    written = ids[:, prompt_length:]
    ends = torch.isin(written, torch.tensor(listed(drawn.options["eos_token_id"]))).long()
    behind = ends.cumsum(dim=1) - ends > 0
    return torch.cat([ids[:, :prompt_length], written.masked_fill(behind, drawn.config.pad_token_id)], dim=1)


@types
def test_rectangles_of_ids_are_the_same(model_type: str) -> None:
    for drawn in draws(model_type, 12):
        inputs, prompt_length = batch(drawn), len((drawn.prompts or [[0]])[0])
        found = ours(drawn).generate(**inputs, **drawn.options)
        expected = releases.model_of(drawn).generate(**inputs, **drawn.options)
        assert torch.equal(found, padded_with_pad(expected, drawn, prompt_length)), drawn.seed


@types
@pytest.mark.parametrize("cuts", [{}, {"top_k": 5, "temperature": 0.7}, {"top_k": 0, "top_p": 0.8}], ids=str)
def test_equal_seeds_draw_equal_samples(model_type: str, cuts: dict[str, Any]) -> None:
    for drawn in draws(model_type, 4):
        options = {name: value for name, value in drawn.options.items() if name not in BEAMS_ONLY} | cuts
        outputs = []
        for model in (ours(drawn), releases.model_of(drawn)):
            torch.manual_seed(drawn.seed)
            outputs.append(model.generate(**batch(drawn), **options, do_sample=True))
        assert torch.equal(*outputs), drawn.seed


@types
def test_a_decoder_alone_writes_the_same_behind_left_padding(model_type: str) -> None:
    for drawn in draws(model_type, 8):
        kept = {
            name: value
            for name, value in drawn.options.items()
            if name not in ("max_length", "min_length", "forced_bos_token_id", "decoder_start_token_id")
        }
        inputs = {name: ids.flip(1) for name, ids in batch(drawn).items() if name != "decoder_input_ids"}
        prompt_length = inputs["input_ids"].shape[1]
        found = ours(drawn, AutoModelForCausalLM).generate(**inputs, **kept | {"max_new_tokens": 9})
        expected = decoder_of_the_release(drawn).generate(**inputs, **kept | {"max_new_tokens": 9})
        assert torch.equal(found, padded_with_pad(expected, drawn, prompt_length)), drawn.seed


@types
def test_folders_go_back_and_forth(tmp_path: Path, model_type: str) -> None:
    drawn = draws(model_type, 1)[0]
    inputs = {name: ids for name, ids in batch(drawn).items() if name != "decoder_input_ids"}
    mine = ours(drawn).float()
    mine.generation_config = GenerationConfig(**drawn.options)
    mine.save_pretrained(tmp_path / "mine")
    expected = mine.generate(**inputs)
    theirs = transformers.AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "mine")
    prompt_length = 1
    assert torch.equal(padded_with_pad(theirs.generate(**inputs), drawn, prompt_length), expected)
    theirs.save_pretrained(tmp_path / "theirs")
    again = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "theirs")
    assert torch.equal(again.generate(**inputs), expected)
    for name, tensor in mine.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name
