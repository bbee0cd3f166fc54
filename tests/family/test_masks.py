import numpy as np
import pytest

from bartleby.errors import ConfigError, ShapeError
from bartleby.family import masks
from bartleby.family.config import BartConfig


def test_labels_move_right_behind_the_start_token_and_ignored_ones_become_pads() -> None:
    shifted = masks.shift_right(np.array([[5, 6, -100], [7, -100, -100]]), BartConfig())
    assert shifted.tolist() == [[2, 5, 6], [2, 7, 1]]


def test_labels_of_the_wrong_rank_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"2 axes \(batch, target\), but has shape \(3,\)"):
        masks.shift_right(np.array([1, 2, 3]), BartConfig())


def test_a_config_without_a_start_token_cannot_move_labels() -> None:
    with pytest.raises(ConfigError, match="decoder_start_token_id"):
        masks.shift_right(np.array([[1]]), BartConfig(decoder_start_token_id=None))


def test_a_target_sees_itself_and_what_came_before() -> None:
    assert masks.causal(3)[0, 0].tolist() == [[False, True, True], [False, False, True], [False, False, False]]


def test_pads_are_hidden_from_every_position() -> None:
    assert masks.causal(3, np.array([[1, 0, 1]]))[0, 0, 2].tolist() == [False, True, False]
    assert masks.padding(np.array([[1, 1, 0]])).tolist() == [[[[False, False, True]]]]  # type: ignore[union-attr]
    assert masks.padding(None) is None


def test_the_last_eos_of_each_row_is_read_even_when_pads_follow() -> None:
    hidden = np.arange(8.0).reshape(2, 4, 1)
    pooled = masks.last_eos(hidden, np.array([[2, 5, 2, 1], [2, 5, 6, 2]]), 2)
    assert pooled.tolist() == [[2.0], [7.0]]


@pytest.mark.parametrize("ids", [[[2, 5], [2, 2]], [[5, 6], [5, 6]], [[2, 5], [5, 5]]])
def test_rows_that_disagree_on_the_number_of_eos_are_refused(ids: list[list[int]]) -> None:
    with pytest.raises(ShapeError, match="same number of eos"):
        masks.last_eos(np.zeros((2, 2, 1)), np.array(ids), 2)
