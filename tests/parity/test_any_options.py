"""Any decoding options either run or are refused with a reason, in every implementation."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bartleby.errors import BartlebyError, OptionError
from bartleby.family.config import BartConfig
from bartleby.generation.config import GenerationConfig
from bartleby.generation.rules import apply_rules, rules_for
from bartleby.generation.search import generate
from tests.generation.markov import EOS, PAD, START, MarkovDecoder, random_tables
from tests.parity.any_options import VOCABULARY, any_options

pytestmark = pytest.mark.filterwarnings("ignore:.*has no effect", "ignore:Both `", "ignore:.*is not a decoding option")
TOKENS = {"pad_token_id": PAD, "eos_token_id": EOS, "decoder_start_token_id": START}
SOURCES = [[4, 5, 6, 4], [7]]


def wanted_outputs(options: GenerationConfig) -> int:
    return len(SOURCES) * options.num_return_sequences


@settings(max_examples=300)
@given(any_options(), st.integers(0, 99))
def test_the_definition_runs_them_or_refuses_them(drawn: dict[str, Any], seed: int) -> None:
    try:
        options = GenerationConfig(**TOKENS | drawn)
        options.validate("plain", VOCABULARY)
        outputs = generate(MarkovDecoder(random_tables(seed, 2)), options, SOURCES, seed=seed)
    except OptionError:
        return
    assert sum(map(len, outputs)) == wanted_outputs(options)
    tokens = [token for hypotheses in outputs for one in hypotheses for token in one.ids]
    assert all(0 <= token < VOCABULARY for token in tokens)


@pytest.fixture(scope="module")
def model() -> Any:
    torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')
    from bartleby.backends.pytorch.models import BartForConditionalGeneration

    torch.manual_seed(0)
    sizes = {f"{stack}_{name}": value for stack in ("encoder", "decoder") for name, value in SIZES.items()}
    config = BartConfig(vocab_size=VOCABULARY, d_model=8, max_position_embeddings=32, **sizes, **TOKENS)
    return BartForConditionalGeneration(config).eval()


SIZES = {"layers": 1, "attention_heads": 2, "ffn_dim": 8}


@settings(max_examples=200)
@given(any_options())
def test_pytorch_runs_them_or_refuses_them(model: Any, drawn: dict[str, Any]) -> None:
    import torch

    source = torch.tensor([[4, 5, 6, 4], [7, PAD, PAD, PAD]])
    try:
        output = model.generate(source, **drawn)
    except BartlebyError:
        return
    sequences = output if isinstance(output, torch.Tensor) else output.sequences
    assert len(sequences) == len(SOURCES) * drawn.get("num_return_sequences", 1)
    assert ((sequences >= 0) & (sequences < VOCABULARY)).all()


@settings(max_examples=200)
@given(any_options(), st.integers(1, 7), st.integers(0, 10**6))
def test_their_rules_are_the_same_in_pytorch(drawn: dict[str, Any], length: int, seed: int) -> None:
    torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')
    from bartleby.backends.pytorch.decoding.rules import applied

    try:
        options = GenerationConfig(**TOKENS | drawn)
        options.validate("pytorch", VOCABULARY)
        rules = rules_for(options, 1, SOURCES)
    except OptionError:
        return
    random = np.random.default_rng(seed)
    ids = random.integers(0, VOCABULARY, size=(4, length))
    scores, sources = random.standard_normal((4, VOCABULARY)).astype(np.float32), random.integers(0, 2, size=4)
    found = torch.from_numpy(scores.copy())
    for rule in applied(rules, torch.device("cpu")):
        found = rule(torch.from_numpy(ids), found, torch.from_numpy(sources))
    expected = apply_rules(rules, ids, scores, sources)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-5)
