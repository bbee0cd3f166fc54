from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartleby.generation import rules as definition

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch.rules import NO_TOKEN, TRANSLATIONS, applied  # noqa: E402  after the skip

VOCABULARY, CPU = 11, torch.device("cpu")
SOURCES = (np.array([4, 5, 6, 4, 5, 2]), np.array([7, 2]), np.array([3]))
Tokens = st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=3).map(tuple)
ASKED: dict[type, st.SearchStrategy[Any]] = {
    definition.RepetitionPenalty: st.builds(definition.RepetitionPenalty, st.sampled_from([0.5, 1.5])),
    definition.NoRepeatNgram: st.builds(definition.NoRepeatNgram, st.integers(1, 4)),
    definition.NoSourceNgram: st.builds(definition.NoSourceNgram, st.integers(1, 4), st.just(SOURCES)),
    definition.BadWords: st.builds(definition.BadWords, st.lists(Tokens, min_size=1, max_size=4).map(tuple)),
    definition.MinLength: st.builds(definition.MinLength, st.integers(0, 8), Tokens),
    definition.ForcedStart: st.builds(definition.ForcedStart, st.integers(0, VOCABULARY - 1)),
    definition.ForcedEnd: st.builds(definition.ForcedEnd, st.integers(2, 8), Tokens),
    definition.SuppressTokens: st.builds(definition.SuppressTokens, Tokens),
    definition.SuppressTokensAtStart: st.builds(definition.SuppressTokensAtStart, Tokens, st.integers(1, 3)),
    definition.Temperature: st.builds(definition.Temperature, st.sampled_from([0.5, 2.0])),
    definition.TopK: st.builds(definition.TopK, st.integers(1, 20), st.integers(1, 3)),
    definition.TopP: st.builds(definition.TopP, st.sampled_from([0.1, 0.5, 0.9]), st.integers(1, 3)),
}


def test_every_rule_of_the_definition_has_a_translation() -> None:
    assert set(TRANSLATIONS) == set(definition.RULE_ORDER) == set(ASKED)


@given(st.data(), st.integers(1, 7), st.integers(0, 10**6))
@pytest.mark.parametrize("kind", ASKED, ids=lambda kind: kind.__name__)
def test_a_rule_does_what_its_definition_does(kind: type, data: st.DataObject, length: int, seed: int) -> None:
    rule, random = data.draw(ASKED[kind]), np.random.default_rng(seed)
    ids = random.integers(0, VOCABULARY, size=(4, length))
    sources = random.integers(0, len(SOURCES), size=4)
    scores = random.standard_normal((4, VOCABULARY)).astype(np.float32)
    scores[random.random(scores.shape) < 0.1] = -np.inf  # what earlier rules have banned
    expected = definition.apply_rules([rule], ids, scores, sources)
    (translated,) = applied([rule], CPU)
    found = translated(torch.from_numpy(ids), torch.from_numpy(scores.copy()), torch.from_numpy(sources))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)


def test_rules_run_in_the_order_given() -> None:
    forced, suppressed = definition.ForcedStart(5), definition.SuppressTokens((5,))
    ids, source = torch.tensor([[2]]), torch.tensor([0])

    def scores_after(*rules: definition.Rule) -> list[float]:
        scores = torch.zeros(1, VOCABULARY)
        for rule in applied(rules, CPU):
            scores = rule(ids, scores, source)
        return scores[0].tolist()

    assert max(scores_after(forced, suppressed)) == -np.inf
    assert scores_after(suppressed, forced)[5] == 0


@pytest.mark.parametrize(
    "rule", [definition.RepetitionPenalty(2.0), definition.NoRepeatNgram(1), definition.NoRepeatNgram(2)]
)
def test_padding_before_a_prompt_is_nothing_written(rule: definition.Rule) -> None:
    (translated,) = applied([rule], CPU)
    padded, source = torch.tensor([[NO_TOKEN, NO_TOKEN, 4, 5, 4]]), torch.tensor([0])
    scores = torch.ones(1, VOCABULARY)
    assert torch.equal(translated(padded, scores.clone(), source), translated(padded[:, 2:], scores.clone(), source))
