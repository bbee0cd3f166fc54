from bartleby.family.config import BartConfig
from bartleby.tasks.classify import decided, labels_of, problem_type_of

SINGLE, MULTI, NUMBER = "single_label_classification", "multi_label_classification", "regression"


def test_the_problem_is_what_the_config_says_or_what_its_labels_allow():
    assert problem_type_of(BartConfig(num_labels=1)) == NUMBER
    assert problem_type_of(BartConfig(num_labels=3)) == SINGLE
    assert problem_type_of(BartConfig(num_labels=3, problem_type=MULTI)) == MULTI


def test_logits_decide_by_the_kind_of_label():
    scores = [[0.1, -0.2, 3.0], [2.0, 1.0, -1.0]]
    assert decided(scores, SINGLE) == [2, 0]
    assert decided(scores, MULTI) == [(0, 2), (0, 1)]
    assert decided([[0.25]], NUMBER) == [0.25]


def test_labels_come_in_the_order_of_their_numbers():
    assert list(labels_of(BartConfig(id2label={1: "yes", 0: "no", 2: "perhaps"})).values()) == ["no", "yes", "perhaps"]
