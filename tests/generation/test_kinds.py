import pytest

from bartleby.generation.options import CHECKS, DEFAULTS

VALID = {
    "max_length": [1, 10**6],
    "max_time": [0, 2.5],
    "stop_strings": ["a", ["a", "b"]],
    "early_stopping": [True, "never"],
    "constraints": [[object()]],
    "force_words_ids": [[[1]], [[1, 2], [[3], [4, 5]]]],
    "top_p": [0, 0.5, 1],
    "typical_p": [1.0],
    "epsilon_cutoff": [0, 3e-4],
    "bad_words_ids": [[[1]], [[1, 2], (3,)]],
    "sequence_bias": [{(1,): -1.0, (2, 3): 5}, [[[1], -1.0]], {(1,): float("-inf")}],
    "exponential_decay_length_penalty": [(5, 1.1), [0, 2]],
    "suppress_tokens": [[0]],
    "forced_decoder_ids": [[[1, 5], (2, None)], []],
    "num_assistant_tokens_schedule": ["constant"],
    "cache_implementation": ["static"],
    "generation_kwargs": [{}],
}
WRONG = {
    "max_length": [0, 1.0, True, "5"],
    "max_time": [-1, float("nan"), "1"],
    "stop_strings": ["", [], [""], [1], 1],
    "early_stopping": ["always", 1.5, []],
    "constraints": [[], "x"],
    "force_words_ids": [[], [1], [[]], [[[]]], [[-1]], [[[1], 2]]],
    "top_p": [-0.1, 1.1, float("nan")],
    "typical_p": [0, 1.5],
    "epsilon_cutoff": [1, -0.1],
    "bad_words_ids": [[], [[]], [1], {}],
    "sequence_bias": [
        {},
        [],
        {1: 1.0},
        {(): 1.0},
        {(1,): "x"},
        {(1,): float("nan")},
        {(1,): float("inf")},
        [[[1], 1.0, 2]],
        {(-1,): 1.0},
    ],
    "exponential_decay_length_penalty": [5, (1,), (1, 0), (-1, 1.1), (1.5, 1.1), (1, float("inf"))],
    "suppress_tokens": [[], [-1], 1, "ab"],
    "forced_decoder_ids": [[1], [[1]], [[-1, 2]], [[1, "a"]]],
    "num_assistant_tokens_schedule": ["never", 1, []],
    "cache_implementation": ["disk", 3],
    "generation_kwargs": [[], 1],
}


@pytest.mark.parametrize("name", VALID)
def test_what_an_option_may_be(name: str) -> None:
    check = CHECKS[name]
    assert check is not None
    assert [value for value in VALID[name] if not check.accepts(value)] == []


@pytest.mark.parametrize("name", WRONG)
def test_what_an_option_must_not_be(name: str) -> None:
    check = CHECKS[name]
    assert check is not None
    assert [value for value in WRONG[name] if check.accepts(value)] == []


def test_every_default_is_what_its_option_may_be() -> None:
    assert {
        name: value
        for name, value in DEFAULTS.items()
        if value is not None and (check := CHECKS[name]) is not None and not check.accepts(value)
    } == {}
