import numpy as np
import pytest

from bartleby.lab.decodings import CACHES, compared, decoding_checks, judged, modes_of, plain_check, remembered
from bartleby.lab.outputs import Table
from bartleby.lab.sides import PlainSide, TorchSide
from bartleby.lab.subject import Subject
from tests.lab.small_models import save_model


@pytest.fixture
def subject(tmp_path):
    return Subject.open(str(save_model(tmp_path)), 2, 0)


@pytest.fixture
def table(subject):
    return Table(subject, PlainSide(subject, "float64"), None)


def test_modes_are_greedy_search_and_the_checkpoints_own(subject):
    greedy, own = modes_of(subject, new_tokens=5)
    assert (greedy.name, own.name) == ("greedy", "3 beams")
    assert (greedy.options.num_beams, own.options.num_beams) == (1, 3)
    assert (own.options.max_new_tokens, own.options.no_repeat_ngram_size) == (5, 2)
    assert modes_of(subject, new_tokens=50)[1].options.max_new_tokens == 8  # its own limit


def test_answers_stay_within_the_positions(tmp_path):
    subject = Subject.open(str(save_model(tmp_path, "causal_lm")), 2, 0)
    longest = max(map(len, subject.sources))
    subject.config.max_position_embeddings = longest + 3
    assert modes_of(subject, new_tokens=24)[0].options.max_new_tokens == 4


def test_every_way_to_write_agrees(table):
    pytest.importorskip("torch")
    side = TorchSide.open(table.subject, "float32", "cpu")
    for mode in modes_of(table.subject, 6):
        found = [*decoding_checks(table, side, mode), plain_check(table, table.definition, side, mode, 4)]
        assert {check.verdict for check in found} == {"agrees"}
        assert len(found) == (9 if mode.name == "greedy" else 5)


class Drifting(TorchSide):
    """A model whose steps say something else than its whole answers would."""

    def steps(self, sources, options):
        return [
            (answer, logits + 0.01 * np.arange(len(logits))[:, None])
            for answer, logits in super().steps(sources, options)
        ]


def test_steps_that_drift_from_the_definition_are_found_though_the_ids_are_right(table):
    pytest.importorskip("torch")
    side, greedy = Drifting.open(table.subject, "float32", "cpu"), modes_of(table.subject, 6)[0]
    verdicts = {check.subject: check.verdict for check in decoding_checks(table, side, greedy)}
    drifting = [name for name, verdict in verdicts.items() if verdict == "differs"]
    assert drifting == [f"pytorch float32, greedy, {cache}, steps" for cache in CACHES]


class Slipping(PlainSide):
    """The definition, which writes one wrong token where it is asked to."""

    wrong_token: int | None = None

    def generate(self, sources, options, room=0):
        answers = super().generate(sources, options)
        if self.wrong_token is not None:
            answers[0][0] = self.wrong_token
        return answers


def test_a_wrong_token_is_an_error_and_is_shown(table):
    side = Slipping(table.subject, "float32")
    greedy = modes_of(table.subject, 6)[0]
    right = side.generate(table.subject.sources, greedy.options)
    assert judged(table, side, greedy, right).verdict == "agrees"
    side.wrong_token = 5 if right[0][0] != 5 else 6
    answers = side.generate(table.subject.sources, greedy.options)
    assert judged(table, side, greedy, answers).verdict == "differs"

    def write(each):
        return each.generate(table.subject.sources, greedy.options)

    found = compared(table, greedy, (table.definition, write), (side, write), "slipping")
    assert found.verdict == "differs"
    assert f"parts at token 0: {right[0][0]} or {side.wrong_token}" in found.remark


def test_answers_that_agree_in_float64_parted_by_rounding(table):
    side, exact = Slipping(table.subject, "float32"), PlainSide(table.subject, "float64")
    greedy = modes_of(table.subject, 6)[0]
    side.wrong_token = 5

    def write(each):
        return each.generate(table.subject.sources, greedy.options)

    found = compared(table, greedy, (table.definition, write), (side, write), "slipping", (exact, exact))
    assert found.verdict == "agrees"
    assert "in float64 they agree" in found.remark


def test_the_definition_writes_only_as_much_as_it_is_given(table):
    greedy = modes_of(table.subject, 6)[0]
    side = PlainSide(table.subject, "float32")
    assert plain_check(table, table.definition, side, greedy, 0).verdict == "skipped"
    assert plain_check(table, table.definition, side, greedy, 3).subject == "plain float64, greedy, 3 tokens"


def test_answers_are_asked_for_once(table):
    asked = []
    write = remembered(lambda side: asked.append(side.name) or [[1]])
    assert write(table.definition) == write(table.definition) == [[1]]
    assert asked == ["plain float64"]
