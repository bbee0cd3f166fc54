from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch.decoding import warpers as ours  # noqa: E402  after the skip
from bartleby.backends.pytorch.decoding.processors import LogitsProcessor, LogitsWarper  # noqa: E402

IDS = torch.zeros(4, 1, dtype=torch.long)
MAKERS: dict[str, Any] = {
    "temperature": lambda lib: lib.TemperatureLogitsWarper(0.7),
    "top_k": lambda lib: lib.TopKLogitsWarper(5),
    "top_k at least": lambda lib: lib.TopKLogitsWarper(2, min_tokens_to_keep=4),
    "top_k filtered": lambda lib: lib.TopKLogitsWarper(5, filter_value=-99.0),
    "top_k of few": lambda lib: lib.TopKLogitsWarper(1000),
    "top_p": lambda lib: lib.TopPLogitsWarper(0.8),
    "top_p 0": lambda lib: lib.TopPLogitsWarper(0),
    "top_p at least": lambda lib: lib.TopPLogitsWarper(0.1, min_tokens_to_keep=3),
    "min_p": lambda lib: lib.MinPLogitsWarper(0.2),
    "min_p at least": lambda lib: lib.MinPLogitsWarper(0.9, min_tokens_to_keep=3),
    "top_h": lambda lib: lib.TopHLogitsWarper(0.4),
    "typical_p": lambda lib: lib.TypicalLogitsWarper(0.6),
    "typical_p at least": lambda lib: lib.TypicalLogitsWarper(0.1, min_tokens_to_keep=3),
    "epsilon_cutoff": lambda lib: lib.EpsilonLogitsWarper(0.05),
    "epsilon_cutoff at least": lambda lib: lib.EpsilonLogitsWarper(0.9, min_tokens_to_keep=3),
    "eta_cutoff": lambda lib: lib.EtaLogitsWarper(0.1),
    "eta_cutoff at least": lambda lib: lib.EtaLogitsWarper(0.9, min_tokens_to_keep=3, device="cpu"),
    "renormalize_logits": lambda lib: lib.LogitNormalization(),
}


def drawn(seed: int, width: int = 30, banned: float = 0.1) -> Any:
    random = np.random.default_rng(seed)
    scores = (2 * random.standard_normal((4, width))).astype(np.float32)
    scores[random.random(scores.shape) < banned] = -np.inf
    return torch.from_numpy(scores)


@pytest.mark.parametrize("name", MAKERS)
def test_a_warper_does_what_its_published_namesake_does(name: str) -> None:
    published = pytest.importorskip(
        "transformers.generation.logits_process", reason="needs the reference library: pip install transformers"
    )
    mine, theirs = MAKERS[name](ours), MAKERS[name](published)
    for seed in range(30):
        for width in (7, 30, 300):
            # Of impossible tokens TopH of the releases makes not-a-number; ours have the `filter_value` as well.
            scores = drawn(seed, width, banned=0.0 if name in ("top_h", "top_k filtered") else 0.1)
            before = scores.clone()
            torch.testing.assert_close(mine(IDS, scores), theirs(IDS, scores.clone()), rtol=2e-6, atol=1e-6)
            assert torch.equal(scores, before)


@pytest.mark.parametrize("name", MAKERS)
def test_a_warper_is_a_processor_and_names_its_option(name: str) -> None:
    warper = MAKERS[name](ours)
    assert isinstance(warper, LogitsWarper)
    assert isinstance(warper, LogitsProcessor)
    assert warper.setting == name.split()[0]


def test_what_is_cut_away_gets_the_value_asked_for() -> None:
    cut = ours.TopPLogitsWarper(0.5, filter_value=-7.0)(IDS, drawn(3, banned=0.0))
    assert (cut == -7).any()
    assert cut.isfinite().all()


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: ours.TemperatureLogitsWarper(0.0), "temperature"),
        (lambda: ours.TemperatureLogitsWarper(-1.0), "temperature"),
        (lambda: ours.TopKLogitsWarper(0), "top_k"),
        (lambda: ours.TopKLogitsWarper(2.5), "top_k"),
        (lambda: ours.TopKLogitsWarper(2, min_tokens_to_keep=0), "min_tokens_to_keep"),
        (lambda: ours.TopPLogitsWarper(1.1), "top_p"),
        (lambda: ours.MinPLogitsWarper(-0.1), "min_p"),
        (lambda: ours.TopHLogitsWarper(0.0), "top_h"),
        (lambda: ours.TypicalLogitsWarper(1.0), "mass"),
        (lambda: ours.EpsilonLogitsWarper(0.0), "epsilon"),
        (lambda: ours.EtaLogitsWarper(1.0), "epsilon"),
    ],
)
def test_wrong_arguments_are_value_errors_that_say_what_was_expected(make: Any, name: str) -> None:
    with pytest.raises(ValueError, match=f"`{name}` must be"):
        make()
