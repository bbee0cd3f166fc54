from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bartleby.generation import search as definition
from bartleby.generation.config import GenerationConfig
from bartleby.generation.rules import rules_for
from tests.generation.markov import EOS, START, VOCABULARY, random_tables

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402  after the skip

from bartleby.backends.pytorch.decoding.noise import SharedNoise  # noqa: E402
from bartleby.backends.pytorch.decoding.rules import applied  # noqa: E402
from bartleby.backends.pytorch.decoding.search import search  # noqa: E402
from bartleby.backends.pytorch.decoding.task import Task  # noqa: E402
from tests.backends.pytorch.decoding.drifting import (  # noqa: E402
    CPU,
    OPTIONS,
    SOURCES,
    TOKENS,
    DriftingDecoder,
    DriftingWriter,
    NoiseOfTheDefinition,
    allowed,
    same,
    written,
)


@settings(max_examples=100)
@given(OPTIONS, st.integers(0, 10**4), st.data())
def test_it_writes_what_the_definition_writes(options: dict[str, Any], seed: int, data: st.DataObject) -> None:
    """Also where the rules leave no token: some of the options allow only a few."""
    tables = random_tables(seed, sources=3)
    config = allowed(options, num_return_sequences=data.draw(st.integers(1, options["num_beams"])))
    expected = definition.generate(DriftingDecoder(tables), config, SOURCES)
    assert same(written(tables, config)[0], expected)


@settings(max_examples=60)
@given(OPTIONS, st.integers(0, 10**4), st.booleans(), st.integers(1, 5))
def test_keeping_all_rows_changes_nothing(options: dict[str, Any], seed: int, samples: bool, pause: int) -> None:
    tables = random_tables(seed, sources=3)
    options = options | ({"suppress_tokens": None, "forced_bos_token_id": None} if samples else {})
    config = allowed(options, do_sample=samples, num_return_sequences=min(2, options["num_beams"]))

    def outcome(**more: Any) -> tuple[definition.Generated, DriftingWriter]:
        torch.manual_seed(seed)
        return written(tables, config, SharedNoise(3) if samples else None, **more)

    whole, writer = outcome(whole=True, pause=pause)
    assert same(whole, outcome()[0])
    assert set(writer.rows_asked) == {3 * config.num_beams}  # the same shapes in every step


class NothingWaits(TorchDispatchMode):
    """Fails where the next step of the program depends on a number of the device."""

    WAITING = ("aten._local_scalar_dense", "aten.nonzero", "aten.is_nonzero", "aten.equal", "aten.masked_select")

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert not str(function).startswith(self.WAITING), function
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("beams", [1, 4])
@pytest.mark.parametrize("samples", [False, True])
@pytest.mark.parametrize("early_stopping", [True, False, "never"])
def test_between_pauses_no_step_waits_for_the_device(beams: int, samples: bool, early_stopping: bool | str) -> None:
    options = GenerationConfig(
        **TOKENS, num_beams=beams, max_length=9, do_sample=samples, no_repeat_ngram_size=2, repetition_penalty=1.2,
        encoder_no_repeat_ngram_size=2, min_length=3, bad_words_ids=[[5], [6, 7]], suppress_tokens=[11],
        forced_bos_token_id=6, forced_eos_token_id=EOS, **({"top_k": 5, "top_p": 0.9} if samples else {}),
        **({"early_stopping": early_stopping} if beams > 1 else {}),
    )  # fmt: skip
    tables = random_tables(1, sources=3)
    writer, prompts = DriftingWriter(tables), torch.full((3, 1), START)
    rules = applied(rules_for(options, 1, SOURCES), CPU)
    noise = SharedNoise(3) if samples else None
    task = Task(options, rules, prompts, options.max_length, noise, whole=True, pause=100)
    with NothingWaits():
        output = search(task, writer)
    assert (output.lengths > 0).all()
    with pytest.raises(AssertionError, match="aten"), NothingWaits():  # what it looks for does happen otherwise
        search(replace(task, whole=False), DriftingWriter(tables))


@settings(max_examples=40)
@given(OPTIONS, st.integers(0, 10**4), st.sampled_from([{}, {"top_k": 4}, {"top_p": 0.7, "temperature": 1.5}]))
def test_equal_random_numbers_draw_equal_samples(options: dict[str, Any], seed: int, cuts: dict[str, Any]) -> None:
    tables = random_tables(seed, sources=3)
    options = options | {"suppress_tokens": None, "no_repeat_ngram_size": 0, "encoder_no_repeat_ngram_size": 0}
    config = allowed(options | cuts, do_sample=True, forced_bos_token_id=None, forced_eos_token_id=None)
    expected = definition.generate(DriftingDecoder(tables), config, SOURCES, seed=seed)
    found, _ = written(tables, config, NoiseOfTheDefinition(seed, 3))
    if cuts and config.num_beams > 1:
        assert [len(one) for one in found] == [len(one) for one in expected]  # fewer than n beams draw fewer numbers
    else:
        assert same(found, expected)


@pytest.mark.parametrize("beams", [1, 4])
def test_a_finished_source_is_asked_no_more(beams: int) -> None:
    tables = np.full((3, VOCABULARY, VOCABULARY), -4, dtype=np.float32)
    tables[:, :, 5] = 4  # two sources go on for ever
    tables[1, :, EOS] = 9  # one ends at once
    options = GenerationConfig(
        **TOKENS, num_beams=beams, max_length=9, **({"early_stopping": True} if beams > 1 else {})
    )
    _, writer = written(tables, options)
    assert writer.rows_asked[0] == 3  # a prompt is read once per source
    assert writer.rows_asked[-1] == 2 * beams
    assert writer.live.tolist() == [] or 1 not in writer.live
