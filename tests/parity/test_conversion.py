"""A converted original computes what the program it comes from computes, in both libraries."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from bartleby.checkpoints import CheckpointFolder, match
from bartleby.checkpoints.convert import convert
from bartleby.family import reference
from bartleby.family.config import config_from_dict
from bartleby.family.parameters import parameter_table
from tests.checkpoints.made_originals import PARLAI_OPTIONS, Fairseq, save_fairseq, save_parlai
from tests.parity.original_models import FairseqModel, ParlaiModel

torch = pytest.importorskip("torch", reason='originals are torch\'s files: pip install "bartleby[torch]"')

IDS, TARGET = [5, 9, 4, 14, 7, 2], [2, 6, 13, 4]
TOLERANCE = 1e-5
Logits = npt.NDArray[Any]


@pytest.fixture
def quiet() -> Iterator[None]:
    """The reference library without the words it says on loading."""
    transformers = pytest.importorskip("transformers", reason="needs the reference library: pip install transformers")
    level = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    yield
    transformers.logging.set_verbosity(level)


def defined(folder: Path) -> Logits:
    """The logits of the definition, from the converted weights."""
    with CheckpointFolder.open(folder) as checkpoint:
        config = config_from_dict(checkpoint.config)
        tensors, _ = match(checkpoint.weights, parameter_table(config))
        weights = {name: tensor.array().astype(np.float64) for name, tensor in tensors.items()}
    states = reference.encode(weights, config, np.array([IDS]))
    hidden = reference.decode(weights, config, np.array([TARGET]), states)
    return reference.lm_logits(weights, hidden)[0]


def logits_of(library: Any, class_name: str, folder: Path, ids: list[int], target: list[int] | None) -> Logits:
    model, info = getattr(library, class_name).from_pretrained(folder, output_loading_info=True)
    assert {kind: list(found) for kind, found in info.items() if found} == {}
    inputs = {"input_ids": torch.tensor([ids])}
    if target is not None:
        inputs["decoder_input_ids"] = torch.tensor([target])
    with torch.inference_mode():
        found: Logits = model.eval()(**inputs).logits[0].numpy()
    return found


def libraries() -> list[Any]:
    import transformers

    import bartleby

    return [bartleby, transformers]


@pytest.mark.parametrize("how", [Fairseq(), Fairseq(fillers=6), Fairseq(mask=False)])
def test_a_converted_bart_writes_what_fairseqs_writes(tmp_path: Path, quiet: None, how: Fairseq) -> None:
    state = save_fairseq(tmp_path / "original", how)
    convert(tmp_path / "original", tmp_path / "out")
    expected = FairseqModel(state, heads=2).logits(IDS, TARGET)[:, :16]
    np.testing.assert_allclose(defined(tmp_path / "out")[:, :16], expected, atol=1e-10)
    for library in libraries():
        found = logits_of(library, "BartForConditionalGeneration", tmp_path / "out", IDS, TARGET)
        np.testing.assert_allclose(found[:, :16], expected, atol=TOLERANCE)


def test_a_converted_classifier_tells_what_fairseqs_tells(tmp_path: Path, quiet: None) -> None:
    state = save_fairseq(tmp_path / "original", Fairseq(labels=3))
    convert(tmp_path / "original", tmp_path / "out")
    expected = FairseqModel(state, heads=2).classify(IDS, "mnli")
    for library in libraries():
        found = logits_of(library, "BartForSequenceClassification", tmp_path / "out", IDS, None)
        np.testing.assert_allclose(found, expected, atol=TOLERANCE)


@pytest.mark.parametrize("activation", ["gelu", "relu"])
@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize(("variant", "prefix"), [("xlm", "BlenderbotSmall"), ("prelayernorm", "Blenderbot")])
def test_a_converted_blender_writes_what_parlais_writes(
    tmp_path: Path, quiet: None, variant: str, prefix: str, scaled: bool, activation: str
) -> None:
    options = {**PARLAI_OPTIONS, "variant": variant, "embeddings_scale": scaled, "activation": activation}
    state = save_parlai(tmp_path / "original", variant, None, options)
    convert(tmp_path / "original", tmp_path / "out")
    expected = ParlaiModel(state, options).logits(IDS, TARGET)
    np.testing.assert_allclose(defined(tmp_path / "out"), expected, atol=1e-10)
    for library in libraries():
        if library.__name__ == "transformers" and variant == "xlm" and scaled:
            continue  # 5.x forgets to scale in Small's decoder
        found = logits_of(library, f"{prefix}ForConditionalGeneration", tmp_path / "out", IDS, TARGET)
        np.testing.assert_allclose(found, expected, atol=TOLERANCE)


@pytest.mark.parametrize(
    ("kind", "class_name", "text", "tokens"),
    [
        ("bart", "BartTokenizer", "abc ab a", ["abc", "Ġab", "Ġa"]),
        ("xlm", "BlenderbotSmallTokenizer", "hello world .", ["hello", "wor@@", "ld", "."]),
        ("prelayernorm", "BlenderbotTokenizer", "ab a", ["Ġab", "Ġa"]),
    ],
)
def test_converted_tokenizers_agree_with_the_reference_librarys(
    tmp_path: Path, quiet: None, kind: str, class_name: str, text: str, tokens: list[str]
) -> None:
    if kind == "bart":
        save_fairseq(tmp_path / "original")
    else:
        save_parlai(tmp_path / "original", kind)
    convert(tmp_path / "original", tmp_path / "out")
    ours, theirs = (getattr(library, class_name).from_pretrained(tmp_path / "out") for library in libraries())
    assert ours.tokenize(text) == theirs.tokenize(text) == tokens
    assert ours.convert_tokens_to_ids(tokens) == theirs.convert_tokens_to_ids(tokens)
