from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bartleby.generation import cuts
from bartleby.generation import rules as definition

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402  after the skip

from bartleby.backends.pytorch.decoding.cuts import TRANSLATIONS as CUT_TRANSLATIONS  # noqa: E402
from bartleby.backends.pytorch.decoding.rules import NO_TOKEN, TRANSLATIONS, applied  # noqa: E402

VOCABULARY, CPU = 11, torch.device("cpu")
SOURCES = (np.array([4, 5, 6, 4, 5, 2]), np.array([7, 2]), np.array([3]))
Tokens = st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=3).map(tuple)
Places = st.lists(st.tuples(st.integers(1, 8), st.integers(0, VOCABULARY - 1)), max_size=3).map(tuple)
Biases = st.dictionaries(Tokens, st.sampled_from([-2.0, 0.5, float("-inf")]), min_size=1, max_size=4)


def allowed(source: int, history: Any) -> list[int]:
    """Some tokens that depend on the source and on the last token."""
    return [(source + int(history[-1])) % VOCABULARY, 4]


ASKED: dict[type, st.SearchStrategy[Any]] = {
    definition.SequenceBias: st.builds(definition.SequenceBias, Biases.map(lambda biases: tuple(biases.items()))),
    definition.SourceRepetitionBonus: st.builds(
        definition.SourceRepetitionBonus, st.sampled_from([0.5, 1.5]), st.just(SOURCES)
    ),
    definition.RepetitionPenalty: st.builds(definition.RepetitionPenalty, st.sampled_from([0.5, 1.5])),
    definition.NoRepeatNgram: st.builds(definition.NoRepeatNgram, st.integers(1, 4)),
    definition.NoSourceNgram: st.builds(definition.NoSourceNgram, st.integers(1, 4), st.just(SOURCES)),
    definition.BadWords: st.builds(definition.BadWords, st.lists(Tokens, min_size=1, max_size=4).map(tuple)),
    definition.MinLength: st.builds(definition.MinLength, st.integers(0, 8), Tokens),
    definition.OnlyAllowed: st.just(definition.OnlyAllowed(allowed)),
    definition.ForcedStart: st.builds(definition.ForcedStart, st.integers(0, VOCABULARY - 1)),
    definition.ForcedEnd: st.builds(definition.ForcedEnd, st.integers(2, 8), Tokens),
    definition.RemoveInvalid: st.just(definition.RemoveInvalid()),
    definition.GrowingEnd: st.builds(
        definition.GrowingEnd, st.integers(0, 6), st.sampled_from([0.5, 1.5, 100.0]), Tokens
    ),
    definition.SuppressTokens: st.builds(definition.SuppressTokens, Tokens),
    definition.SuppressTokensAtStart: st.builds(definition.SuppressTokensAtStart, Tokens, st.integers(1, 3)),
    definition.ForcedTokens: st.builds(definition.ForcedTokens, Places),
    cuts.Temperature: st.builds(cuts.Temperature, st.sampled_from([0.5, 2.0])),
    cuts.TopH: st.builds(cuts.TopH, st.sampled_from([0.1, 0.5, 0.9])),
    cuts.TopK: st.builds(cuts.TopK, st.integers(1, 20), st.integers(1, 3)),
    cuts.EpsilonCutoff: st.builds(cuts.EpsilonCutoff, st.sampled_from([0.01, 0.1]), st.integers(1, 3)),
    cuts.EtaCutoff: st.builds(cuts.EtaCutoff, st.sampled_from([0.01, 0.3]), st.integers(1, 3)),
    cuts.Normalize: st.just(cuts.Normalize()),
    **{
        kind: st.builds(kind, st.sampled_from([0.1, 0.5, 0.9]), st.integers(1, 3))
        for kind in (cuts.TopP, cuts.MinP, cuts.TypicalP)
    },
}
kinds = pytest.mark.parametrize("kind", ASKED, ids=lambda kind: kind.__name__)


def test_every_rule_of_the_definition_has_a_translation() -> None:
    assert {*TRANSLATIONS, *CUT_TRANSLATIONS} == set(definition.RULE_ORDER) == set(ASKED)


def drawn_scores(seed: int, length: int) -> tuple[Any, Any, Any]:
    """Ids, scores and sources of four rows; what earlier rules have banned is -inf."""
    random = np.random.default_rng(seed)
    scores = random.standard_normal((4, VOCABULARY)).astype(np.float32)
    scores[random.random(scores.shape) < 0.1] = -np.inf
    return random.integers(0, VOCABULARY, size=(4, length)), scores, random.integers(0, len(SOURCES), size=4)


@given(st.data(), st.integers(1, 7), st.integers(0, 10**6))
@kinds
def test_a_rule_does_what_its_definition_does(kind: type, data: st.DataObject, length: int, seed: int) -> None:
    rule, (ids, scores, sources) = data.draw(ASKED[kind]), drawn_scores(seed, length)
    expected = definition.apply_rules([rule], ids, scores, sources)
    (translated,) = applied([rule], CPU)
    found = translated(torch.from_numpy(ids), torch.from_numpy(scores.copy()), torch.from_numpy(sources))
    np.testing.assert_allclose(found.numpy(), expected, rtol=2e-6, atol=1e-6)


@given(st.data())
@kinds
def test_where_nothing_is_possible_the_definition_is_followed_too(kind: type, data: st.DataObject) -> None:
    rule = data.draw(ASKED[kind])
    ids, scores, sources = (
        np.array([[3, 4], [3, 5]]),
        np.full((2, VOCABULARY), -np.inf, dtype=np.float32),
        np.array([0, 1]),
    )
    expected = definition.apply_rules([rule], ids, scores, sources)
    (translated,) = applied([rule], CPU)
    found = translated(torch.from_numpy(ids), torch.from_numpy(scores.copy()), torch.from_numpy(sources))
    np.testing.assert_array_equal(found.numpy(), expected)


class NoWaiting(TorchDispatchMode):
    """Fails where an operation would have to know the values of a tensor, which a device has only later."""

    WAITS = ("_local_scalar_dense", "nonzero", "is_nonzero", "masked_select", "unique", "equal")

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = function._schema.name.removeprefix("aten::")
        masks = [
            each for each in torch.utils._pytree.tree_leaves(args[1:]) if getattr(each, "dtype", None) == torch.bool
        ]
        assert not name.startswith(self.WAITS), name
        assert not (name.startswith("index") and "fill" not in name and masks), f"{name} by a mask"
        assert name != "lift_fresh", "a constant made on the host in a step"
        return function(*args, **kwargs or {})


@settings(max_examples=20)
@given(st.data(), st.integers(1, 7), st.integers(0, 10**6))
@pytest.mark.parametrize("kind", [kind for kind in ASKED if kind is not definition.OnlyAllowed])
def test_no_rule_waits_for_the_device(kind: type, data: st.DataObject, length: int, seed: int) -> None:
    (translated,) = applied([data.draw(ASKED[kind])], CPU)
    ids, scores, sources = (torch.from_numpy(each) for each in drawn_scores(seed, length))
    with NoWaiting():
        translated(ids, scores, sources)


def test_waiting_for_the_device_would_be_noticed() -> None:
    values = torch.tensor([1.0, -1.0])
    for waits in (lambda: values[0].item(), lambda: values[values > 0], lambda: bool(values.any()), values.nonzero):
        with pytest.raises(AssertionError), NoWaiting():
            waits()


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


def test_a_function_that_says_what_is_allowed_sees_no_padding() -> None:
    seen = []

    def allowed(source: int, history: Any) -> list[int]:
        seen.append((source, history.tolist()))
        return [4]

    (translated,) = applied([definition.OnlyAllowed(allowed)], CPU)
    translated(torch.tensor([[NO_TOKEN, 3, 5]]), torch.zeros(1, VOCABULARY), torch.tensor([2]))
    assert seen == [(2, [3, 5])]


def test_a_score_that_is_no_number_is_no_ban_of_what_is_allowed() -> None:
    (translated,) = applied([definition.OnlyAllowed(lambda source, history: [1, 2])], CPU)
    scores = torch.tensor([[-1.0, -1.0, -2.0, torch.nan]])
    after = translated(torch.tensor([[3]]), scores, torch.tensor([0]))
    assert after[0, :3].tolist() == [-torch.inf, -1, -2]


def test_rules_keep_the_precision_of_the_scores() -> None:
    rules = [
        definition.SequenceBias((((4,), 2.0), ((3, 5), 1.0))),
        definition.RepetitionPenalty(1.5),
        definition.RemoveInvalid(),
        definition.GrowingEnd(0, 1.5, (2,)),
        cuts.TopP(0.9),
        cuts.EtaCutoff(0.01),
        cuts.Normalize(),
    ]
    for dtype in (torch.bfloat16, torch.float64):
        scores = torch.zeros(1, VOCABULARY, dtype=dtype)
        for rule in applied(rules, CPU):
            scores = rule(torch.tensor([[3]]), scores, torch.tensor([0]))
        assert scores.dtype == dtype
