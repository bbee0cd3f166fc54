import numpy as np
import pytest

from bartleby.lab.outputs import Table, beside, finite, output_checks, room_for, shape_checks
from bartleby.lab.sides import PlainSide
from bartleby.lab.subject import Subject
from tests.lab.small_models import save_model


@pytest.fixture
def subject(tmp_path):
    return Subject.open(str(save_model(tmp_path)), 3, 0)


class Changed(PlainSide):
    """The definition with something added to every output, once its texts are padded or read alone."""

    added, when_alone, when_padded = 0.0, 0.0, 0.0

    def forward(self, sources, targets, room=0):
        more = self.added + (self.when_padded if room else 0) + (self.when_alone if len(sources) == 1 else 0)
        return [row + more for row in super().forward(sources, targets)]


def test_a_side_is_measured_by_the_largest_output_of_the_definition(subject):
    table = Table(subject, PlainSide(subject, "float64"), None)
    side = Changed(subject, "float32")
    side.added = 0.5 * table.scale * 1e-5
    [numbers, near] = output_checks(table, [side])
    assert (numbers.verdict, near.verdict, near.bound) == ("agrees", "agrees", 1e-5)
    assert near.worst == pytest.approx(0.5e-5, rel=0.1)
    side.added *= 4
    [_, far] = output_checks(table, [side])
    assert far.verdict == "differs"


def test_padding_and_company_that_change_an_output_are_found(subject):
    side = Changed(subject, "float32")
    assert [check.verdict for check in shape_checks(subject, side)] == ["agrees", "agrees"]
    side.when_alone = 0.1
    assert [check.verdict for check in shape_checks(subject, side)] == ["differs", "agrees"]
    side.when_alone, side.when_padded = 0.0, 0.1
    assert [check.verdict for check in shape_checks(subject, side)] == ["agrees", "differs"]


def test_numbers_that_are_none_differ(subject):
    rows = [np.array([[0.0, np.nan]])]
    side = PlainSide(subject, "float32")
    assert finite(rows, side).verdict == "differs"
    assert beside(rows, [np.zeros((1, 2))], side, "plain").verdict == "differs"


def test_other_shapes_differ(subject):
    found = beside([np.zeros((2, 3))], [np.zeros((1, 3))], PlainSide(subject, "float32"), "plain")
    assert (found.verdict, found.worst) == ("differs", None)


def test_texts_that_fill_all_positions_leave_no_room(tmp_path):
    full = Subject.open(str(save_model(tmp_path, max_position_embeddings=12)), 3, 0)
    side, longest = PlainSide(full, "float32"), max(map(len, full.sources))
    full.config.max_position_embeddings = longest
    assert room_for(full) == 0
    skipped = list(shape_checks(full, side))[-1]
    assert skipped.verdict == "skipped"
