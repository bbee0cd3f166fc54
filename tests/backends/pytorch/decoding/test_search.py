from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bartleby.generation import search as definition
from bartleby.generation.config import GenerationConfig
from bartleby.generation.resolution import length_bounds
from bartleby.generation.rules import rules_for
from tests.generation.markov import BOS, EOS, PAD, START, VOCABULARY, MarkovDecoder, random_tables

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402  after the skip

from bartleby.backends.pytorch.backend import hypotheses  # noqa: E402  after the skip
from bartleby.backends.pytorch.decoding.rules import applied  # noqa: E402
from bartleby.backends.pytorch.decoding.search import SeededNoise, SharedNoise, Task, largest, search  # noqa: E402

TOKENS = {"pad_token_id": PAD, "bos_token_id": BOS, "eos_token_id": EOS, "decoder_start_token_id": START}
SOURCES = [[4, 5, 6, EOS], [7, EOS], [8, 8, 4, EOS]]
CPU = torch.device("cpu")


DRIFT = (np.random.default_rng(9).standard_normal((32, VOCABULARY)) / 4).astype(np.float32)
"""Added to the scores at each place: else all outputs that make the same steps in another order would tie."""


class DriftingDecoder(MarkovDecoder):
    def start(self, sources: np.ndarray) -> None:
        super().start(sources)
        self.place = -1

    def step(self, tokens: np.ndarray) -> np.ndarray:
        self.place += 1
        return super().step(tokens) + DRIFT[self.place]


class DriftingWriter:
    """The same as a writer over tensors; counts the rows it was asked about."""

    def __init__(self, tables: np.ndarray) -> None:
        self.tables = torch.from_numpy(tables)
        self.live = torch.arange(len(tables))
        self.rows_asked: list[int] = []

    def step(self, ids: Any) -> Any:
        self.rows_asked.append(len(ids))
        scores = self.tables[self.live.repeat_interleave(len(ids) // len(self.live)), ids[:, -1]]
        return scores + torch.from_numpy(DRIFT[ids.shape[1] - 1])

    def reorder(self, rows: Any) -> None:
        self.rows = rows

    def keep(self, sources: Any) -> None:
        self.live = self.live[sources]


class NoiseOfTheDefinition:
    """The random numbers that generation/search.py draws for the same seed, where each source has one row."""

    def __init__(self, seed: int, sources: int) -> None:
        self.streams = [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(sources)]
        self.is_first = True

    def __call__(self, sources: Any, rows: int, width: int) -> Any:
        noise = torch.zeros(len(sources), rows, width, dtype=torch.float64)
        real = 1 if self.is_first else rows  # the definition begins with one beam
        for row, source in zip(noise, sources.tolist(), strict=True):
            row[:real] = torch.from_numpy(self.streams[source].gumbel(size=real * width)).view(real, width)
        self.is_first = False
        return noise


def written(
    tables: np.ndarray, options: GenerationConfig, noise: Any = None, **more: Any
) -> tuple[definition.Generated, DriftingWriter]:
    writer = DriftingWriter(tables)
    _, max_length = length_bounds(options, 1)
    rules = applied(rules_for(options, 1, SOURCES), CPU)
    task = Task(options, rules, torch.full((len(tables), 1), START), max_length, noise, **more)
    return hypotheses(search(task, writer), prompt_length=1), writer


def same(ours: definition.Generated, theirs: definition.Generated) -> bool:
    pairs = [pair for sources in zip(ours, theirs, strict=True) for pair in zip(*sources, strict=True)]
    return all(
        (one.ids, one.finish_reason) == (other.ids, other.finish_reason)
        and one.score == pytest.approx(other.score, abs=1e-4)
        for one, other in pairs
    )


OPTIONS = st.fixed_dictionaries(
    {
        "num_beams": st.integers(1, 5),
        "max_length": st.integers(2, 12),
        "length_penalty": st.sampled_from([1.0, 0.0, 0.65, 2.0, -1.0]),
        "early_stopping": st.sampled_from([True, False, "never"]),
        "no_repeat_ngram_size": st.integers(0, 2),
        "encoder_no_repeat_ngram_size": st.integers(0, 2),
        "repetition_penalty": st.sampled_from([1.0, 1.4]),
        "suppress_tokens": st.sampled_from([None, [4, 5], [0, 1, 3, 4, 5, 7, 8, 9, 10, 11]]),
        "forced_bos_token_id": st.sampled_from([None, 6]),
        "forced_eos_token_id": st.sampled_from([None, EOS]),
        "eos_token_id": st.sampled_from([EOS, [EOS, 9], None]),
    }
)


def allowed(options: dict[str, Any], **more: Any) -> GenerationConfig:
    if options["num_beams"] == 1:
        options = {name: value for name, value in options.items() if name not in ("length_penalty", "early_stopping")}
    return GenerationConfig(**{**TOKENS, **options, **more})


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


class Watcher:
    def __init__(self) -> None:
        self.scores: list[Any] = []
        self.tokens: list[Any] = []

    def scored(self, scores: Any) -> None:
        self.scores.append(scores)

    def wrote(self, tokens: Any) -> None:
        self.tokens.append(tokens)


@given(OPTIONS, st.integers(0, 10**4))
def test_the_trail_of_an_output_leads_to_the_scores_it_is_made_of(options: dict[str, Any], seed: int) -> None:
    options = options | {"num_beams": max(2, options["num_beams"]), "suppress_tokens": None}
    config, tables, watcher = allowed(options), random_tables(seed, sources=3), Watcher()
    rules = applied(rules_for(config, 1, SOURCES), CPU)
    prompts = torch.full((len(tables), 1), START)
    task = Task(config, rules, prompts, config.max_length, whole=True, listener=watcher)
    output = search(task, DriftingWriter(tables))
    assert len(watcher.scores) == len(watcher.tokens)
    for source in range(3):
        length = int(output.lengths[source, 0])
        steps = zip(watcher.scores, output.trail[source, 0, 1:], output.ids[source, 0, 1:], strict=False)
        total = sum(float(scores[row, token]) for scores, row, token in list(steps)[:length])
        found = total / max(length, 1) ** config.length_penalty
        assert found == pytest.approx(float(output.scores[source, 0]), abs=1e-4, rel=1e-4)
        assert (output.trail[source, 0, 1 + length :] == -1).all()


@pytest.mark.parametrize("beams", [1, 3])
def test_a_caller_may_stop_rows(beams: int) -> None:
    """Here at the first 5; of three sources one never writes it."""
    tables = random_tables(3, sources=3)
    tables[2, :, 5] = -100
    tables[:2, :, 5] += 9
    options = GenerationConfig(**TOKENS | {"eos_token_id": None}, max_length=9, num_beams=beams)
    found, _ = written(tables, options, whole=True, stops=lambda ids: ids[:, -1] == 5)
    for hypotheses_of_one in found:
        (one,) = hypotheses_of_one
        assert one.finish_reason == ("stopped" if one.ids[-1] == 5 else "length")
        assert 5 not in one.ids[:-1]
    assert found[2][0].finish_reason == "length"
    assert found[0][0].finish_reason == "stopped"


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


def test_samples_of_a_source_differ_and_are_as_likely_as_the_model_says() -> None:
    tables = np.zeros((1, VOCABULARY, VOCABULARY), dtype=np.float32)
    tables[:, :, 5] = np.log(9.0)
    tables -= DRIFT[0]
    options = GenerationConfig(**TOKENS, do_sample=True, top_k=0, max_length=2, num_return_sequences=4000)
    ((*found,),), _ = written(tables, options, SeededNoise(0, [0], CPU))
    share = sum(one.ids == (5,) for one in found) / len(found)
    assert share == pytest.approx(9 / (9 + VOCABULARY - 1), abs=0.03)


def test_what_a_source_draws_does_not_depend_on_the_others() -> None:
    def noise(sources: list[int]) -> Any:
        return SeededNoise(7, sources, CPU)(torch.arange(len(sources)), 2, 3)

    assert torch.equal(noise([0, 1, 2])[2], noise([2])[0])
    assert not torch.equal(noise([0, 1])[0], noise([0, 1])[1])


def test_shared_noise_draws_for_sources_that_are_finished_too() -> None:
    torch.manual_seed(3)
    whole = SharedNoise(3)(torch.tensor([0, 1, 2]), 1, 4)
    torch.manual_seed(3)
    assert torch.equal(SharedNoise(3)(torch.tensor([2]), 1, 4)[0], whole[2])


@given(st.integers(1, 3), st.integers(1, 40), st.integers(20, 9000), st.integers(0, 10**6))
def test_the_largest_are_those_of_a_full_sort(rows: int, count: int, width: int, seed: int) -> None:
    count = min(count, width)
    values = torch.from_numpy(np.random.default_rng(seed).permutation(rows * width).astype(np.float32)).view(rows, -1)
    values[values < width / 2] = -np.inf
    found, places = largest(values, count)
    expected = values.topk(count)
    assert torch.equal(found, expected.values)
    possible = found > -np.inf
    assert torch.equal(places[possible], expected.indices[possible])
    assert int(places.max()) < width
