from typing import Any

import numpy as np
import pytest

from bartleby.generation.config import GenerationConfig
from tests.generation.markov import EOS, START, VOCABULARY

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch.decoding.drafts import LookupDraft, ModelDraft, Pace, following  # noqa: E402  after the skip
from bartleby.backends.pytorch.decoding.noise import SeededNoise  # noqa: E402
from bartleby.backends.pytorch.decoding.task import Task  # noqa: E402
from tests.backends.pytorch.table_reader import TableReader  # noqa: E402


def lookup(source: list[int] | None, written: list[int], most: int = 9, **options: Any) -> list[int]:
    config = GenerationConfig(prompt_lookup_num_tokens=3, **options)
    draft = LookupDraft(None if source is None else torch.tensor(source), config)
    return draft.propose(torch.tensor([written]), most).tokens.tolist()


def test_what_followed_before_is_proposed_again() -> None:
    assert lookup(None, [1, 5, 6, 7, 8, 9, 5, 6]) == [7, 8, 9]
    assert lookup(None, [1, 5, 6, 7, 8, 9, 5, 6], most=2) == [7, 8]
    assert lookup(None, [1, 5, 6, 7]) == []


def test_a_source_is_looked_through_first_but_a_longer_match_counts_more() -> None:
    assert lookup([5, 6, 7, 2], [1, 6, 9, 6]) == [7, 2]
    assert lookup([6, 7, 2], [1, 5, 6, 9, 5, 6]) == [9, 5, 6]
    assert lookup([6, 7, 2], [1, 5, 6, 9, 5, 6], max_matching_ngram_size=1) == [7, 2]
    assert lookup([8, 2], [1, 2]) == []  # nothing follows the end


def test_what_follows_is_found_wherever_it_stands() -> None:
    text = torch.tensor([4, 5, 4, 5, 6, 4, 5])
    assert following(text, torch.tensor([4, 5])).tolist() == [2, 4]
    assert following(text, torch.tensor([4, 5, 4, 5, 6, 4, 5])).tolist() == []
    assert following(text, torch.tensor([9])).tolist() == []


def chain() -> Any:
    """4 follows the start, then 5, 6 … and an end after 8; each with a probability of about 0.9."""
    table = np.zeros((VOCABULARY, VOCABULARY), dtype=np.float32)
    for last, following_token in [(START, 4), (4, 5), (5, 6), (6, 7), (7, 8), (8, EOS)]:
        table[last, following_token] = 4.6
    table[6, 7] = 2.0  # here it is not sure
    return table


def draft_of(pace: Pace, noise: Any = None, positions: int = 100) -> ModelDraft:
    options = GenerationConfig(eos_token_id=EOS, decoder_start_token_id=START, max_length=20)
    task = Task(options, [], torch.tensor([[START]]), 20, noise)
    return ModelDraft(TableReader(chain(), positions), task, 0, pace)


def test_a_model_writes_ahead_to_an_end_or_as_far_as_it_may() -> None:
    start = torch.tensor([[START]])
    assert draft_of(Pace(9, True)).propose(start, 20).tokens.tolist() == [4, 5, 6, 7, 8, EOS]
    assert draft_of(Pace(2, True)).propose(start, 20).tokens.tolist() == [4, 5]
    assert draft_of(Pace(9, True)).propose(start, 3).tokens.tolist() == [4, 5, 6]
    assert draft_of(Pace(9, True)).propose(start, 0).tokens.tolist() == []
    assert draft_of(Pace(9, True), positions=2).propose(start, 20).tokens.tolist() == [4, 5]


def test_it_stops_behind_what_it_is_not_sure_of() -> None:
    assert draft_of(Pace(9, True, threshold=0.8)).propose(torch.tensor([[START]]), 20).tokens.tolist() == [4, 5, 6, 7]


def test_it_forgets_what_was_rejected_and_reads_nothing_twice() -> None:
    draft = draft_of(Pace(3, True))
    draft.propose(torch.tensor([[START]]), 20)
    assert draft.propose(torch.tensor([[START, 4, 7]]), 20).tokens.tolist() == [8, EOS]
    assert draft.reader.asked == [[[START]], [[4]], [[5]], [[7]], [[8]]]


def test_what_it_draws_is_drawn_from_the_scores_it_shows() -> None:
    proposal = draft_of(Pace(4, True), SeededNoise(0, [0], torch.device("cpu"))).propose(torch.tensor([[START]]), 20)
    assert proposal.scores is not None
    assert proposal.scores.shape == (len(proposal.tokens), VOCABULARY)
    assert torch.equal(proposal.scores[0], torch.from_numpy(chain())[START])


def test_the_pace_grows_while_it_is_right_and_may_last_beyond_a_call() -> None:
    kept = GenerationConfig(num_assistant_tokens=4)
    pace = Pace.of(GenerationConfig(), kept)
    for is_right in (True, True, False):
        pace.learn(is_right)
    assert (pace.count, kept.num_assistant_tokens) == (7, 7)
    passing = Pace.of(GenerationConfig(num_assistant_tokens_schedule="heuristic_transient"), kept)
    passing.learn(False)
    assert (passing.count, kept.num_assistant_tokens) == (6, 7)
    steady = Pace.of(GenerationConfig(num_assistant_tokens_schedule="constant", num_assistant_tokens=2), kept)
    steady.learn(True)
    assert (steady.count, kept.num_assistant_tokens) == (2, 7)
    low = Pace(1, False)
    low.learn(False)
    assert low.count == 1
