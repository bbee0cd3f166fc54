from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bartleby.errors import OptionError
from bartleby.generation.config import GenerationConfig
from bartleby.generation.rules import rules_for
from tests.generation.markov import BOS, EOS, PAD, START, VOCABULARY, random_tables

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch.decoding.assisted import Proposal, assisted_search  # noqa: E402  after the skip
from bartleby.backends.pytorch.decoding.drafts import ModelDraft, Pace  # noqa: E402
from bartleby.backends.pytorch.decoding.noise import SeededNoise  # noqa: E402
from bartleby.backends.pytorch.decoding.rules import applied  # noqa: E402
from bartleby.backends.pytorch.decoding.search import search  # noqa: E402
from bartleby.backends.pytorch.decoding.task import Task  # noqa: E402
from tests.backends.pytorch.table_reader import TableReader  # noqa: E402
from tests.backends.pytorch.test_generation import batch, model_of, types  # noqa: E402

TOKENS = {"pad_token_id": PAD, "bos_token_id": BOS, "eos_token_id": EOS, "decoder_start_token_id": START}
CPU = torch.device("cpu")


class Guess:
    """A draft that proposes what it is told, whatever was written."""

    def __init__(self, tokens: list[int]) -> None:
        self.tokens = tokens
        self.learnt: list[tuple[int, int]] = []

    def propose(self, ids: Any, most: int) -> Proposal:
        return Proposal(torch.tensor(self.tokens[:most], dtype=torch.long))

    def learn(self, proposed: int, accepted: int) -> None:
        self.learnt.append((proposed, accepted))


class Diary:
    """A listener that keeps everything."""

    def __init__(self) -> None:
        self.pages: list[list[float]] = []

    def scored(self, scores: Any) -> None:
        self.pages.append(scores[0].tolist())

    def wrote(self, tokens: Any) -> None:
        self.pages.append(tokens.tolist())


def task_of(options: dict[str, Any], rows: int = 1, **more: Any) -> Task:
    config = GenerationConfig(**TOKENS, **options)
    rules = applied(rules_for(config, 1, [[4, 5, EOS]] * rows), CPU)
    return Task(config, rules, torch.full((rows, 1), START), config.max_length, **more)


def texts(written: Any) -> list[list[list[int]]]:
    return [
        [ids[:length] for ids, length in zip(*one, strict=True)]
        for one in zip(written.ids[:, :, 1:].tolist(), written.lengths.tolist(), strict=True)
    ]


OPTIONS = st.fixed_dictionaries(
    {
        "max_length": st.integers(2, 12),
        "no_repeat_ngram_size": st.integers(0, 2),
        "repetition_penalty": st.sampled_from([1.0, 1.4]),
        "suppress_tokens": st.sampled_from([None, [4, 5], [0, 1, 3, 4, 5, 7, 8, 9, 10, 11]]),
        "forced_bos_token_id": st.sampled_from([None, 6]),
        "forced_eos_token_id": st.sampled_from([None, EOS]),
        "min_length": st.sampled_from([0, 2]),
        "eos_token_id": st.sampled_from([EOS, [EOS, 9], None]),
    }
)


@settings(max_examples=60)
@given(OPTIONS, st.integers(0, 10**4), st.lists(st.integers(0, VOCABULARY - 1), max_size=6))
def test_greedy_ids_are_the_same_whatever_a_draft_says(options: dict[str, Any], seed: int, guess: list[int]) -> None:
    """Rules and ends included, also where the rules leave nothing, and whoever listens hears the same."""
    (table,) = random_tables(seed)
    options = options | {"eos_token_id": options["eos_token_id"]}
    tokens = TOKENS | {name: value for name, value in options.items() if value is not None or name == "eos_token_id"}
    config = GenerationConfig(**tokens)
    rules = applied(rules_for(config, 1, [[4, 5, EOS]]), CPU)
    followed = [Diary(), Diary()]
    tasks = [
        Task(config, rules, torch.tensor([[START]]), config.max_length, whole=True, listener=each) for each in followed
    ]
    plain = search(tasks[0], TableReader(table))
    draft = Guess(guess)
    assisted = assisted_search(tasks[1], lambda place: (TableReader(table), draft))
    assert texts(assisted) == texts(plain)
    assert torch.equal(assisted.reasons, plain.reasons)
    assert torch.allclose(assisted.scores, plain.scores, atol=1e-5)
    assert followed[0].pages == followed[1].pages


def test_a_model_reads_less_often_the_better_the_draft() -> None:
    table = np.full((VOCABULARY, VOCABULARY), -5, dtype=np.float32)
    for last in range(VOCABULARY):
        table[last, 4 + (last + 1) % 8] = 5  # 3 -> 8, 8 -> 5, 5 -> 10, 10 -> 7, 7 -> 4, 4 -> 9, 9 -> 6, 6 -> 11 …
    reader, best = TableReader(table), [8, 5, 10, 7]
    task = task_of({"max_length": 10})
    draft = Guess(best)
    assisted_search(task, lambda place: (reader, draft))
    assert reader.asked[0] == [[START, *best]]
    assert draft.learnt[0] == (4, 4)
    assert len(reader.asked) < 9  # without a draft, nine tokens take nine passes
    worst = TableReader(table)
    assisted_search(task, lambda place: (worst, Guess([])))
    assert len(worst.asked) == 9


@pytest.mark.parametrize("count", [1, 2])
def test_samples_are_drawn_from_the_distribution_of_the_model(count: int) -> None:
    """However far the draft's is from it: the first two of three tokens, one or two of them drafted together."""
    model, helper = (np.zeros((6, 6), dtype=np.float32) for _ in range(2))
    model[:] = np.log([0.05, 0.05, 0.1, 0.1, 0.2, 0.5])
    model[5] = np.log([0.3, 0.3, 0.1, 0.1, 0.1, 0.1])  # the second token depends on the first
    helper[:] = np.log([0.1, 0.1, 0.3, 0.1, 0.3, 0.1])
    draws = 2000
    options = GenerationConfig(
        pad_token_id=0, decoder_start_token_id=3, max_length=4, do_sample=True, top_k=0, num_return_sequences=draws
    )
    task = Task(options, [], torch.tensor([[3]]), 4, SeededNoise(1, [0], CPU))
    opened_drafts: list[Any] = []

    class Remembering(ModelDraft):
        first_was_right: bool | None = None

        def learn(self, proposed: int, accepted: int) -> None:
            self.first_was_right = accepted > 0 if self.first_was_right is None else self.first_was_right

    def opened(place: int) -> tuple[Any, Any]:
        opened_drafts.append(Remembering(TableReader(helper), task, place, Pace(count, is_constant=True)))
        return TableReader(model), opened_drafts[-1]

    found = np.zeros((6, 6))
    for first, second, _ in assisted_search(task, opened).ids[0, :, 1:].tolist():
        found[first, second] += 1

    def unlikeliness(probabilities: Any) -> float:
        expected = draws * probabilities[3][:, None] * probabilities
        return float(((found - expected) ** 2 / expected).sum())  # chi-squared, 35 degrees of freedom

    likely = np.exp(model)
    assert unlikeliness(likely) < 57  # exceeded by one sample in a hundred
    assert unlikeliness(np.exp(helper)) > 1000
    share = sum(draft.first_was_right for draft in opened_drafts) / draws
    overlap = np.minimum(likely[3], np.exp(helper)[3]).sum()  # arXiv 2211.17192, corollary 3.6
    assert share == pytest.approx(overlap, abs=0.03)


def test_nobody_can_follow_rows_that_are_written_apart() -> None:
    task = task_of({"max_length": 4}, rows=2, whole=True, listener=Diary())
    with pytest.raises(OptionError, match="nobody can follow the steps of 2 of them together"):
        assisted_search(task, lambda place: (TableReader(random_tables(0)[0]), Guess([])))


@types
@pytest.mark.parametrize("way", ["assistant", "lookup"])
def test_everything_that_is_returned_is_as_without_help(model_type: str, way: str) -> None:
    model = model_of(model_type)
    ids = torch.tensor([[5, 6, 7, 8, 9, 2]])
    asked = ("return_dict_in_generate", "output_scores", "output_logits", "output_attentions", "output_hidden_states")
    options = dict.fromkeys(asked, True)
    help_: dict[str, Any] = (
        {"assistant_model": model_of(model_type, seed=1)} if way == "assistant" else {"prompt_lookup_num_tokens": 3}
    )
    plain = model.generate(ids, **options, no_repeat_ngram_size=3)
    helped = model.generate(ids, **options, no_repeat_ngram_size=3, **help_)
    assert helped.keys() == plain.keys()
    assert torch.equal(helped.sequences, plain.sequences)
    for name in ("scores", "logits"):
        assert torch.allclose(torch.stack(helped[name]), torch.stack(plain[name]), atol=1e-5)
    for name in ("decoder_attentions", "cross_attentions", "decoder_hidden_states"):
        for one, other in zip(helped[name], plain[name], strict=True):
            for layer, expected in zip(one, other, strict=True):
                assert layer.shape == expected.shape
                assert torch.allclose(layer, expected, atol=1e-5)
    assert helped.past_key_values.get_seq_length() == plain.past_key_values.get_seq_length()


@types
def test_lookup_draws_the_very_samples_of_the_same_seed(model_type: str) -> None:
    model = model_of(model_type)
    ids = torch.tensor([[5, 6, 7, 8, 9, 2]])
    for seed in range(3):
        torch.manual_seed(seed)
        plain = model.generate(ids, do_sample=True, top_k=5)
        torch.manual_seed(seed)
        assert torch.equal(model.generate(ids, do_sample=True, top_k=5, prompt_lookup_num_tokens=4), plain)


def test_processors_criteria_and_streamers_meet_each_written_token_once() -> None:
    model = model_of("bart")
    seen: list[list[int]] = []
    streamed: list[int] = []

    def processor(ids: Any, scores: Any) -> Any:
        seen.append(ids[0].tolist())
        return scores

    class Streamer:
        def put(self, value: Any) -> None:
            streamed.extend(value.flatten().tolist())

        def end(self) -> None:
            streamed.append(-1)

    company = {
        "logits_processor": [processor],
        "stopping_criteria": [lambda ids, scores: ids.shape[1] >= 6],
        "streamer": Streamer(),
    }
    ids = torch.tensor([[5, 6, 7, 8, 9, 2]])
    row = model.generate(ids, assistant_model=model_of("bart", seed=1), min_length=8, **company)[0].tolist()
    assert len(row) == 6
    assert seen == [row[:length] for length in range(1, 6)]
    assert streamed == [*row, -1]


@types
def test_sources_of_unequal_length_and_several_samples_are_written_one_by_one(model_type: str) -> None:
    model, helper = model_of(model_type), model_of(model_type, seed=1)
    assert torch.equal(model.generate(**batch(model), assistant_model=helper), model.generate(**batch(model)))
    many = model.generate(**batch(model), assistant_model=helper, do_sample=True, num_return_sequences=3)
    assert many.shape[0] == 9
    assert len({tuple(row) for row in many.tolist()}) > 3
