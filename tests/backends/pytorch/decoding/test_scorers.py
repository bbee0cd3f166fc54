from __future__ import annotations

from typing import Any

import pytest

from bartleby.errors import OptionError, ShapeError
from bartleby.generation.constraints import PhrasalConstraint

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch.decoding.scorers import (  # noqa: E402  after the skip
    BeamHypotheses,
    BeamScorer,
    BeamSearchScorer,
    ConstrainedBeamSearchScorer,
)

EOS, PAD = 2, 1


def ids(*rows: list[int]) -> Any:
    return torch.tensor(rows)


def test_hypotheses_keep_the_best_and_of_equals_the_earlier() -> None:
    kept = BeamHypotheses(2, 1.0, False)
    for first, total in ((5, -2.0), (6, -8.0), (7, -8.0), (8, -6.0)):
        kept.add(torch.tensor([3, first]), total)
    assert len(kept) == 2
    assert [(score, hypothesis[1].item()) for score, hypothesis, _ in kept.beams] == [(-1, 5), (-3, 8)]
    assert kept.worst_score == -3


def test_only_written_tokens_count_where_their_number_is_known() -> None:
    kept = BeamHypotheses(1, 2.0, False)
    kept.add(torch.tensor([3, 5, 6]), -4.0, generated_len=2)
    assert kept.beams[0][0] == -1


@pytest.mark.parametrize(
    ("early_stopping", "penalty", "best", "done"),
    [
        (True, 1.0, 0.0, True),
        (False, 1.0, -7.9, False),  # -7.9 / 4 is better than -2
        (False, 1.0, -8.0, True),
        ("never", 1.0, -15.9, False),  # at best, -15.9 / 8
        ("never", 1.0, -16.0, True),
        ("never", 0.0, -2.0, True),
    ],
)
def test_a_search_is_done_when_nothing_can_displace_what_it_has(
    early_stopping: Any, penalty: float, best: float, done: bool
) -> None:
    kept = BeamHypotheses(1, penalty, early_stopping, max_length=9)
    assert not kept.is_done(best, 5, 1)
    kept.add(torch.tensor([3, 5]), -2.0, generated_len=1)
    assert kept.is_done(best, 5, 1) is done


def test_never_needs_a_length_to_compare_at() -> None:
    with pytest.raises(OptionError, match="max_length"):
        BeamSearchScorer(1, 2, "cpu", do_early_stopping="never")


@pytest.mark.parametrize("sizes", [(1, 1), (0, 1), (4, 3), (2, 4), (2.0, 1)])
def test_beams_must_be_several_and_divide_into_groups(sizes: tuple[Any, int]) -> None:
    with pytest.raises(ValueError, match="num_beam"):
        BeamSearchScorer(1, sizes[0], "cpu", num_beam_groups=sizes[1])


def test_settings_stand_under_their_published_names() -> None:
    scorer = BeamSearchScorer(2, 6, "cpu", 0.5, True, 3, 2, 9)
    assert isinstance(scorer, BeamScorer)
    assert (scorer.num_beams, scorer.group_size, scorer.num_beam_groups, scorer.length_penalty) == (6, 3, 2, 0.5)
    assert (scorer.do_early_stopping, scorer.num_beam_hyps_to_keep, len(scorer._beam_hyps)) == (True, 3, 4)


def processed(scorer: Any, written: Any, scores: list[float], tokens: list[int], beams: list[int], **more: Any) -> Any:
    columns = (torch.tensor([scores]), torch.tensor([tokens]), torch.tensor([beams]))
    return scorer.process(written, *columns, *more.pop("vocabulary", ()), pad_token_id=PAD, eos_token_id=EOS, **more)


def test_a_step_sorts_candidates_into_beams_and_hypotheses() -> None:
    scorer = BeamSearchScorer(1, 2, "cpu")
    found = processed(scorer, ids([3, 5], [3, 6]), [-1.0, -2.0, -3.0, -4.0], [EOS, 7, 8, EOS], [0, 1, 0, 1])
    assert found["next_beam_tokens"].tolist() == [7, 8]
    assert found["next_beam_indices"].tolist() == [1, 0]
    assert found["next_beam_scores"].tolist() == [-2, -3]
    assert [hypothesis.tolist() for _, hypothesis, _ in scorer._beam_hyps[0].beams] == [[3, 5]]  # the other came late
    assert not scorer.is_done


def test_a_settled_source_is_padded_and_kept_as_it_is() -> None:
    scorer = BeamSearchScorer(1, 2, "cpu", do_early_stopping=True)
    written = ids([3, 5], [3, 6])
    processed(scorer, written, [-1.0, -2.0, -3.0, -4.0], [EOS, EOS, 7, 8], [0, 1, 0, 1])
    assert scorer.is_done
    found = processed(scorer, written, [-0.1, -0.2, -0.3, -0.4], [EOS, EOS, 7, 8], [0, 1, 0, 1])
    assert found["next_beam_tokens"].tolist() == [PAD, PAD]
    outputs = scorer.finalize(written, torch.zeros(2), None, None, 9, PAD, EOS)
    assert outputs["sequences"].tolist() == [[3, 5, EOS]]
    assert outputs["sequence_scores"].tolist() == pytest.approx([-1 / 3])
    assert outputs["beam_indices"] is None


def test_open_beams_count_at_the_end_and_trails_are_padded() -> None:
    scorer = BeamSearchScorer(1, 2, "cpu", num_beam_hyps_to_keep=2)
    trails = ((torch.tensor(0),), (torch.tensor(0),))
    written = ids([3, 5], [3, 6])
    processed(scorer, written, [-1.0, -2.0, -3.0], [EOS, 7, 8], [0, 1, 1], beam_indices=trails, decoder_prompt_len=1)
    trails = tuple((*trails[1], torch.tensor(1)) for _ in range(2))
    outputs = scorer.finalize(
        ids([3, 6, 7], [3, 6, 8]), torch.tensor([-2.0, -3.0]), None, None, 9, PAD, EOS, trails, decoder_prompt_len=1
    )
    assert outputs["sequences"].tolist() == [[3, 5, EOS, PAD], [3, 6, 7, EOS]]
    assert outputs["beam_indices"].tolist() == [[0, 0, -1, -1], [0, 1, -1, -1]]
    assert outputs["sequence_scores"].tolist() == [-0.5, -1.0]


def test_groups_have_hypotheses_of_their_own_that_are_ranked_together() -> None:
    scorer = BeamSearchScorer(1, 2, "cpu", num_beam_groups=2, num_beam_hyps_to_keep=2)
    processed(scorer, ids([3, 5]), [-4.0, -5.0], [EOS, 7], [0, 0], group_index=0)
    processed(scorer, ids([3, 6]), [-1.0, -2.0], [EOS, 7], [0, 0], group_index=1)
    assert [len(each) for each in scorer._beam_hyps] == [1, 1]
    outputs = scorer.finalize(ids([3, 5, 7], [3, 6, 7]), torch.tensor([-99.0, -99.0]), None, None, 9, PAD, EOS)
    assert outputs["sequences"].tolist() == [[3, 6, EOS], [3, 5, EOS]]


def test_the_wrong_number_of_rows_and_too_few_candidates_are_refused() -> None:
    scorer = BeamSearchScorer(1, 2, "cpu")
    with pytest.raises(ShapeError, match="2 rows, but has 1"):
        processed(scorer, ids([3, 5]), [-1.0], [7], [0])
    with pytest.raises(OptionError, match="candidates"):
        processed(scorer, ids([3, 5], [3, 6]), [-1.0, -2.0], [EOS, 7], [0, 0])


def test_with_constraints_only_what_contains_them_ends() -> None:
    scorer = ConstrainedBeamSearchScorer(1, 2, [PhrasalConstraint([5, 6])], "cpu")
    vocabulary = (torch.full((2, 9), -9.0),)
    written = ids([3, 5], [5, 6])
    found = processed(scorer, written, [-1.0, -2.0, -3.0, -4.0], [EOS, EOS, 7, 8], [0, 1, 0, 0], vocabulary=vocabulary)
    assert [hypothesis.tolist() for _, hypothesis, _ in scorer._beam_hyps[0].beams] == [[5, 6]]
    assert found["next_beam_tokens"].tolist() == [6, 7]  # the next token of the phrase, and the likeliest
    assert scorer.check_completes_constraints([1, 5, 6])
    assert not scorer.check_completes_constraints([5, 1, 6])
    assert [state.get_bank() for state in scorer.make_constraint_states(2)] == [0, 0]


def test_open_beams_without_everything_count_only_where_too_few_have_it() -> None:
    for kept, expected in ((1, [[5, 6, EOS]]), (2, [[3, 4, EOS], [5, 6, EOS]])):
        scorer = ConstrainedBeamSearchScorer(1, 2, [PhrasalConstraint([5, 6])], "cpu", num_beam_hyps_to_keep=kept)
        outputs = scorer.finalize(ids([3, 4], [5, 6]), torch.tensor([-1.0, -2.0]), None, None, 9, PAD, EOS)
        assert outputs["sequences"].tolist() == expected


def test_constraints_go_with_no_groups() -> None:
    with pytest.raises(OptionError, match="num_beam_groups"):
        ConstrainedBeamSearchScorer(1, 4, [PhrasalConstraint([5])], "cpu", num_beam_groups=2)
