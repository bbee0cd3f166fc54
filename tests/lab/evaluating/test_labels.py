import numpy as np
import pytest

from bartleby.errors import ConfigError, DataError
from bartleby.family.config import BartConfig
from bartleby.lab.evaluating.labels import measure_labels, wanted_of
from bartleby.lab.evaluating.model import Model, Request, Sampling
from bartleby.training.records import Labelled
from tests.lab.evaluating.scripted import save_tiny_reader

SINGLE, MULTI, NUMBER = "single_label_classification", "multi_label_classification", "regression"
NAMED = BartConfig(id2label={0: "no", 1: "yes", 2: "perhaps"})
RECORDS = [Labelled(f"i have {number} cats", "no" if number % 3 else "yes") for number in range(12)]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("labels")
    return Model.open(save_tiny_reader(folder, "sequence_classification", id2label=NAMED.id2label), "plain")


def test_labels_are_found_by_their_names():
    records = [Labelled("a", "perhaps"), Labelled("b", "no")]
    assert wanted_of(records, SINGLE, NAMED) == [2, 0]
    assert wanted_of([Labelled("a", ("perhaps", "no")), Labelled("b", ())], MULTI, NAMED) == [(0, 2), ()]
    assert wanted_of([Labelled("a", 2.5)], NUMBER, NAMED) == [2.5]


def test_labels_that_have_no_names_are_found_by_their_numbers():
    unnamed = BartConfig(num_labels=3)
    assert wanted_of([Labelled("a", "2"), Labelled("b", "LABEL_1")], SINGLE, unnamed) == [2, 1]
    with pytest.raises(DataError, match=r"one of no, yes, perhaps, but is '2'"):
        wanted_of([Labelled("a", "2")], SINGLE, NAMED)


def test_all_unknown_labels_are_named():
    with pytest.raises(DataError, match=r"(?s)'maybe'.*'never'"):
        wanted_of([Labelled("a", "never"), Labelled("b", "maybe"), Labelled("c", "no")], SINGLE, NAMED)


def test_texts_are_labelled_as_the_backend_scores_them(model):
    found = measure_labels(model, RECORDS, Request(Sampling(7, seed=1), baselines=True))
    places = [output["record"] for output in found.outputs]
    assert places == sorted(Sampling(seed=1).order(12)[:7])
    scores = model.backend.classify([model.ids(RECORDS[place].text) for place in places])
    names = [NAMED.id2label[int(np.argmax(row))] for row in scores]
    assert [output["output"] for output in found.outputs] == names
    right = [name == RECORDS[place].label for name, place in zip(names, places, strict=True)]
    assert found.figures["accuracy"] == pytest.approx(np.mean(right))
    usual = [RECORDS[place].label == "no" for place in places]
    assert found.baselines["most_frequent"]["accuracy"] == pytest.approx(np.mean(usual))


def test_pairs_and_long_texts_are_read_and_cuts_are_counted(model):
    records = [
        Labelled("i have two cats", "yes", "they like to play"),
        Labelled("many words " * 60, "no"),
        Labelled("many words " * 60, "no", "few words"),
    ]
    found = measure_labels(model, records, Request())
    assert found.facts["cut_sources"] == 2
    ids = model.tokenizer("i have two cats", "they like to play")["input_ids"]
    np.testing.assert_allclose(found.outputs[0]["scores"], model.backend.classify([ids])[0], atol=1e-5)


@pytest.mark.parametrize(
    ("fields", "label", "wanted"),
    [({"num_labels": 1}, 1.5, 1.5), ({"num_labels": 3, "problem_type": MULTI}, ("0", "2"), ["LABEL_0", "LABEL_2"])],
)
def test_numbers_and_several_labels_are_measured_too(tmp_path, fields, label, wanted):
    model = Model.open(save_tiny_reader(tmp_path, "sequence_classification", **fields), "plain")
    records = [Labelled("i have two cats", label), Labelled("hello", label)]
    found = measure_labels(model, records, Request(baselines=True))
    assert [output["reference"] for output in found.outputs] == [wanted, wanted]
    best = {"squared_error": 0.0} if label == 1.5 else {"accuracy": 1.0}
    assert found.baselines["most_frequent"].items() >= best.items()


def test_only_a_model_that_labels_is_asked_to(tiny_chat, model):
    with pytest.raises(ConfigError, match="sequence_classification"):
        measure_labels(Model.open(tiny_chat, "plain"), RECORDS, Request())
    with pytest.raises(DataError, match="no labelled text"):
        measure_labels(model, [], Request())
