import copy
import pickle
from typing import Any

import numpy as np
import pytest

from bartleby.errors import OptionError, ShapeError, VocabularyError
from bartleby.generation.options import CHECKS

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch.decoding import processors as ours  # noqa: E402  after the skip

VOCABULARY = 23
SOURCES = torch.tensor([[4, 5, 6, 4, 5, 2], [7, 8, 9, 10, 2, 1]])
MAKERS: dict[str, Any] = {
    "MinLengthLogitsProcessor": lambda lib: lib.MinLengthLogitsProcessor(5, [2, 7]),
    "MinNewTokensLengthLogitsProcessor": lambda lib: lib.MinNewTokensLengthLogitsProcessor(2, 3, 2),
    "RepetitionPenaltyLogitsProcessor": lambda lib: lib.RepetitionPenaltyLogitsProcessor(1.7),
    "RepetitionPenaltyLogitsProcessor ignoring some": lambda lib: lib.RepetitionPenaltyLogitsProcessor(
        1.7, prompt_ignore_length=3
    ),
    "RepetitionPenaltyLogitsProcessor ignoring some of each": lambda lib: lib.RepetitionPenaltyLogitsProcessor(
        1.7, prompt_ignore_length=torch.tensor([0, 2, 5, 9])
    ),
    "EncoderRepetitionPenaltyLogitsProcessor": lambda lib: lib.EncoderRepetitionPenaltyLogitsProcessor(1.7, SOURCES),
    "NoRepeatNGramLogitsProcessor": lambda lib: lib.NoRepeatNGramLogitsProcessor(2),
    "EncoderNoRepeatNGramLogitsProcessor": lambda lib: lib.EncoderNoRepeatNGramLogitsProcessor(2, SOURCES),
    "SequenceBiasLogitsProcessor": lambda lib: lib.SequenceBiasLogitsProcessor(
        {(4,): 2.0, (5, 6): -3.0, (4, 5, 6): 0.5, (2, 4): float("-inf")}
    ),
    "SequenceBiasLogitsProcessor from a list": lambda lib: lib.SequenceBiasLogitsProcessor(
        [[[4, 5], 2.0], [[6], -1.0]]
    ),
    "NoBadWordsLogitsProcessor": lambda lib: lib.NoBadWordsLogitsProcessor([[2], [4], [5, 6], [4, 5, 6]], 2),
    "PrefixConstrainedLogitsProcessor": lambda lib: lib.PrefixConstrainedLogitsProcessor(
        lambda source, ids: [source + 4, int(ids[-1])], num_beams=2
    ),
    "ForcedBOSTokenLogitsProcessor": lambda lib: lib.ForcedBOSTokenLogitsProcessor(4),
    "ForcedEOSTokenLogitsProcessor": lambda lib: lib.ForcedEOSTokenLogitsProcessor(6, [2, 3]),
    "InfNanRemoveLogitsProcessor": lambda lib: lib.InfNanRemoveLogitsProcessor(),
    "ExponentialDecayLengthPenalty": lambda lib: lib.ExponentialDecayLengthPenalty((1, 1.3), [2, 3], 2),
    "SuppressTokensLogitsProcessor": lambda lib: lib.SuppressTokensLogitsProcessor([4, 5]),
    "SuppressTokensAtBeginLogitsProcessor": lambda lib: lib.SuppressTokensAtBeginLogitsProcessor([4, 5], 3),
}


def drawn(seed: int, length: int) -> tuple[Any, Any]:
    """Ids of four rows, and scores with a few impossible ones."""
    random = np.random.default_rng(seed)
    scores = random.standard_normal((4, VOCABULARY)).astype(np.float32)
    scores[random.random(scores.shape) < 0.05] = -np.inf
    return torch.from_numpy(random.integers(2, 8, size=(4, length))), torch.from_numpy(scores)


@pytest.mark.parametrize("name", MAKERS)
def test_a_processor_does_what_its_published_namesake_does(name: str) -> None:
    published = pytest.importorskip(
        "transformers.generation.logits_process", reason="needs the reference library: pip install transformers"
    )
    mine, theirs = MAKERS[name](ours), MAKERS[name](published)
    for length in range(1, 8):
        for seed in range(5):
            ids, scores = drawn(10 * length + seed, length)
            before = scores.clone()
            found = mine(ids, scores)
            torch.testing.assert_close(found, theirs(ids, scores.clone()), rtol=1e-6, atol=0)
            assert torch.equal(scores, before)


@pytest.mark.parametrize("name", MAKERS)
def test_a_processor_can_be_copied_and_says_which_option_does_the_same(name: str) -> None:
    processor, (ids, scores) = MAKERS[name](ours), drawn(0, 4)
    expected = processor(ids, scores)
    assert torch.equal(copy.deepcopy(processor)(ids, scores), expected)
    assert processor.setting in {*CHECKS, "prefix_allowed_tokens_fn"}
    assert isinstance(processor, ours.LogitsProcessor)


def test_a_used_processor_can_be_pickled() -> None:
    processor, (ids, scores) = ours.NoBadWordsLogitsProcessor([[4], [5, 6]]), drawn(0, 4)
    expected = processor(ids, scores)
    assert torch.equal(pickle.loads(pickle.dumps(processor))(ids, scores), expected)


def test_forced_tokens_of_release_4_stand_at_their_places() -> None:
    processor = ours.ForceTokensLogitsProcessor([[1, 5], [3, 6], [2, None]])
    chosen = [processor(*drawn(length, length))[0].isfinite().nonzero().flatten().tolist() for length in (1, 3)]
    assert chosen == [[5], [6]]
    ids, scores = drawn(2, 2)
    assert torch.equal(processor(ids, scores), scores)


def test_groups_keep_away_from_what_earlier_ones_have_just_written() -> None:
    processor = ours.HammingDiversityLogitsProcessor(0.5, num_beams=4, num_beam_groups=2)
    ids, scores = torch.zeros(4, 1, dtype=torch.long), torch.zeros(4, VOCABULARY)
    current = torch.tensor([3, 3, 9, 9, 4, 5, 9, 9])  # of two sources: their first groups wrote 3, 3 and 4, 5
    assert torch.equal(processor(ids, scores, current, 0), scores)
    later = processor(ids, scores, current_tokens=current, beam_group_idx=1)
    assert later[:, [3, 4, 5, 9]].tolist() == [[-1, 0, 0, 0]] * 2 + [[0, -0.5, -0.5, 0]] * 2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ours.MinLengthLogitsProcessor(-1, 2), "`min_length`"),
        (lambda: ours.MinLengthLogitsProcessor(3, 2.0), "`eos_token_id`"),
        (lambda: ours.ForcedEOSTokenLogitsProcessor(3, -1), "`eos_token_id`"),
        (lambda: ours.MinNewTokensLengthLogitsProcessor(1.5, 2, 2), "`prompt_length_to_skip`"),
        (lambda: ours.RepetitionPenaltyLogitsProcessor(0.0), "`penalty`"),
        (lambda: ours.RepetitionPenaltyLogitsProcessor("2"), "`penalty`"),
        (lambda: ours.RepetitionPenaltyLogitsProcessor(2.0, -1), "`prompt_ignore_length`"),
        (lambda: ours.RepetitionPenaltyLogitsProcessor(2.0, torch.zeros(1, 1)), "must be 1-D"),
        (lambda: ours.NoRepeatNGramLogitsProcessor(0), "`ngram_size`"),
        (lambda: ours.EncoderNoRepeatNGramLogitsProcessor(0, SOURCES), "`encoder_ngram_size`"),
        (lambda: ours.SequenceBiasLogitsProcessor({}), "`sequence_bias`"),
        (lambda: ours.SequenceBiasLogitsProcessor([[[1], "a"]]), "`sequence_bias`"),
        (lambda: ours.NoBadWordsLogitsProcessor([]), "`bad_words_ids`"),
        (lambda: ours.NoBadWordsLogitsProcessor([1]), "`bad_words_ids`"),
        (lambda: ours.HammingDiversityLogitsProcessor(0.0, 4, 2), "`diversity_penalty`"),
        (lambda: ours.HammingDiversityLogitsProcessor(1.0, 1, 2), "`num_beams`"),
        (lambda: ours.HammingDiversityLogitsProcessor(1.0, 4, 5), "`num_beam_groups`"),
        (lambda: ours.ForcedEOSTokenLogitsProcessor(5, 2.0), "`eos_token_id`"),
        (lambda: ours.ExponentialDecayLengthPenalty((1,), 2, 0), "`exponential_decay_length_penalty`"),
        (lambda: ours.ExponentialDecayLengthPenalty((1, 1.1), -2, 0), "`eos_token_id`"),
        (lambda: ours.ForceTokensLogitsProcessor([1]), "`forced_decoder_ids`"),
    ],
)
def test_wrong_arguments_are_value_errors_that_say_what_was_expected(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_end_tokens_may_be_given_in_every_published_form() -> None:
    for eos in (2, [2], (2,), torch.tensor(2), torch.tensor([2])):
        assert ours.MinLengthLogitsProcessor(3, eos, device="cpu").eos_token_id == (2,)
    ids, scores = drawn(0, 1)
    assert torch.equal(ours.MinLengthLogitsProcessor(3, -1)(ids, scores), scores)


def test_tokens_outside_the_vocabulary_are_told() -> None:
    with pytest.raises(VocabularyError, match=r"\[99\]"):
        ours.SequenceBiasLogitsProcessor({(4, 99): 1.0})(*drawn(0, 2))


def test_rows_must_belong_to_sources() -> None:
    ids, scores = drawn(0, 3)
    with pytest.raises(ShapeError, match="rows for 2 sources"):
        ours.EncoderNoRepeatNGramLogitsProcessor(2, SOURCES)(ids[:3], scores[:3])


def test_the_place_where_tokens_are_suppressed_can_be_moved() -> None:
    processor, (ids, scores) = ours.SuppressTokensAtBeginLogitsProcessor([4], 1), drawn(1, 2)
    assert torch.equal(processor(ids, scores), scores)
    processor.set_begin_index(2)
    assert processor(ids, scores)[:, 4].isneginf().all()


class Plus(ours.LogitsProcessor):
    def __call__(self, input_ids: Any, scores: Any, amount: float, other: float = 0.0) -> Any:
        return scores + amount + other


def test_a_list_runs_its_processors_in_order_and_hands_on_what_they_ask_for() -> None:
    ids, scores = drawn(0, 1)
    everything: list[Any] = []

    def watching(input_ids: Any, scores: Any, **kwargs: Any) -> Any:
        everything.append(kwargs)
        return scores

    chain = ours.LogitsProcessorList([lambda input_ids, scores: scores * 0 + 1, Plus(), watching])
    assert (chain(ids, scores.nan_to_num(neginf=0), amount=2.0, unused=1) == 3).all()
    assert everything == [{"amount": 2.0, "unused": 1}]
    with pytest.raises(OptionError, match="`amount` must be given"):
        chain(ids, scores)
    chain.append(ours.ForcedBOSTokenLogitsProcessor(4))
    assert chain(ids, scores.nan_to_num(neginf=0), amount=2.0)[:, 4].tolist() == [0] * 4


def test_the_base_class_only_says_what_a_processor_is() -> None:
    for base in (ours.LogitsProcessor, ours.LogitsWarper):
        with pytest.raises(NotImplementedError, match="must say in `__call__`"):
            base()(*drawn(0, 1))
