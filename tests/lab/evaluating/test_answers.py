import pytest

from bartleby.errors import ConfigError, DataError
from bartleby.lab.evaluating.answers import measure_answers
from bartleby.lab.evaluating.model import Model, Request, Sampling
from bartleby.training.records import Answer, Question
from tests.lab.evaluating.scripted import save_tiny_reader

CONTEXT = "i have two cats and a dog. they like to play in the garden."
QUESTION = Question(CONTEXT, "what do you have?", (Answer("two cats", 7),), "q1")
LONG = Question(" ".join([CONTEXT] * 9), "what do you have?", (Answer("two cats", 7),), "q2")
NONE = Question(CONTEXT, "who is that?", (), "q3")


class Pointer:
    """A backend that points at the tokens which stand for `answer`, or at the first one."""

    head = "question_answering"

    def __init__(self, model, answer):
        self.config, self.answer = model.backend.config, model.tokenizer(f" {answer}")["input_ids"][1:-1]

    def spans(self, input_ids):
        return [self._span(list(ids)) for ids in input_ids]

    def _span(self, ids):
        starts, ends = [0.0] * len(ids), [0.0] * len(ids)
        places = [p for p in range(len(ids)) if self.answer and ids[p : p + len(self.answer)] == self.answer]
        first = places[0] if places else 0
        starts[first], ends[first + max(len(self.answer) - 1, 0) if places else 0] = 5.0, 5.0
        return starts, ends


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return Model.open(save_tiny_reader(tmp_path_factory.mktemp("answers"), "question_answering"), "plain")


def pointing(model, answer):
    return Model("pointer", Pointer(model, answer), model.tokenizer)


def test_the_answer_is_the_text_that_is_pointed_at(model):
    found = measure_answers(pointing(model, "two cats"), [QUESTION], Request())
    assert found.figures == {"exact_match": 1.0, "f1": 1.0}
    assert found.outputs == [{"record": 0, "id": "q1", "output": "two cats", "references": ["two cats"], "f1": 1.0}]
    half = measure_answers(pointing(model, "cats and"), [QUESTION], Request())
    assert half.figures == {"exact_match": 0.0, "f1": pytest.approx(0.5)}


def test_the_best_window_answers(model):
    far = Question(f"{' '.join([CONTEXT] * 6)} but i live in a library", "where?", (Answer("library", 0),))
    found = measure_answers(pointing(model, "library"), [far, QUESTION], Request())
    assert found.outputs[0]["output"] == "library"
    assert found.facts["long_contexts"] == 1
    assert found.facts["windows"] > 2


def test_no_answer_is_an_answer_where_some_question_has_none(model):
    nowhere = pointing(model, "")
    found = measure_answers(nowhere, [QUESTION, NONE], Request())
    assert [output["output"] for output in found.outputs] == ["", ""]
    assert (found.figures["exact_match"], found.facts["without_answer"]) == (0.5, 1)
    assert measure_answers(nowhere, [QUESTION], Request()).outputs[0]["output"] != ""


def test_random_weights_answer_with_words_of_the_context(model):
    found = measure_answers(model, [QUESTION, LONG, NONE], Request(Sampling(2, seed=3)))
    assert [output["record"] for output in found.outputs] == sorted(Sampling(seed=3).order(3)[:2])
    assert all(output["output"] in LONG.context for output in found.outputs)


def test_only_a_model_that_finds_answers_is_asked_to(tiny_chat, model):
    with pytest.raises(ConfigError, match="question_answering"):
        measure_answers(Model.open(tiny_chat, "plain"), [QUESTION], Request())
    with pytest.raises(DataError, match="no question"):
        measure_answers(model, [], Request())
