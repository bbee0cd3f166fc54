import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartleby.errors import DataError
from bartleby.training.records import (
    Answer,
    Dialogue,
    Document,
    Labelled,
    Pair,
    Question,
    as_dialogue,
    as_document,
    as_labelled,
    as_pair,
    as_question,
    as_translation,
)

CONTEXT = "Bartleby was a scrivener. He would prefer not to."
QUESTION = {"context": CONTEXT, "question": "What was he?", "answers": [{"text": "a scrivener", "answer_start": 13}]}
FIELDS = ["turns", "personas", "rewards", "text", "summary", "label", "answers", "answer_start", "paragraphs"]
PLAIN_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner),
    max_leaves=8,
)


def test_personas_belong_to_the_speakers_in_turn() -> None:
    dialogue = as_dialogue({"turns": ["a", "b", "c"], "personas": [["I sing."], ["I row.", "I cook."]]})
    assert [dialogue.persona_of(place) for place in range(3)] == [("I sing.",), ("I row.", "I cook."), ("I sing.",)]
    assert Dialogue(("a", "b")).persona_of(1) == ()


def test_turns_may_be_rewarded_each() -> None:
    assert as_dialogue({"turns": ["a", "b"], "rewards": [1, -0.5]}).rewards == (1.0, -0.5)
    assert as_dialogue({"turns": ["a", "b"]}).rewards == ()
    for wrong in ([1], [1, None], "good", [1, True]):
        with pytest.raises(DataError, match="`rewards` must be a number a turn"):
            as_dialogue({"turns": ["a", "b"], "rewards": wrong})


def test_all_faults_of_a_record_are_told_at_once() -> None:
    with pytest.raises(DataError, match=r"`turns` must be .* but is \[\"Hi!\"\].* `personas` must be two lists"):
        as_dialogue({"turns": ["Hi!"], "personas": [["I sing."]]})


def test_of_a_missing_field_the_others_and_the_remedy_are_told() -> None:
    with pytest.raises(
        DataError, match=r'`text` .* but is null\. .*Fields there are: "Body", "summary"\. Name them\.$'
    ):
        as_pair({"Body": "a", "summary": "b"}, remedy="Name them.")
    with pytest.raises(DataError, match=r'`label` must be .* Fields there are: "text", "class"\. Name them\.$'):
        as_labelled({"text": "a", "class": "b"}, remedy="Name them.")
    with pytest.raises(DataError) as refused:
        as_pair({"text": "a", "summary": ""})
    assert "Fields" not in str(refused.value)  # all there
    with pytest.raises(DataError, match=r'"19" …\.$'):
        as_pair({str(number): 1 for number in range(50)})


def test_lists_may_stand_as_json_in_a_cell() -> None:
    assert as_dialogue({"turns": '["Hi!", "Hello."]'}) == Dialogue(("Hi!", "Hello."))
    assert as_document({"paragraphs": '["One.", "Two."]'}) == Document(("One.", "Two."))
    with pytest.raises(DataError, match="`turns`"):
        as_dialogue({"turns": '["Hi!", '})


def test_a_pair_has_the_fields_it_is_told_to_have() -> None:
    assert as_pair({"text": "long", "summary": "short", "other": 1}) == Pair("long", "short")
    assert as_pair({"before": "teh", "after": "the"}, "before", "after") == Pair("teh", "the")
    with pytest.raises(DataError, match=r"`text` must be a text .* but is 3\. `summary` must be .* but is \" \"\."):
        as_pair({"text": 3, "summary": " "})


def test_a_translation_is_told_by_language_or_flat() -> None:
    assert as_translation({"translation": {"en": "yes", "ro": "da"}}, "ro", "en") == Pair("da", "yes")
    assert as_translation({"source": "da", "target": "yes"}, "ro", "en") == Pair("da", "yes")
    with pytest.raises(DataError, match="`translation`: `de` must be a text"):
        as_translation({"translation": {"en": "yes", "ro": "da"}}, "en", "de")
    with pytest.raises(DataError, match="`translation` must be an object"):
        as_translation({"translation": "yes"}, "en", "ro")


def test_a_document_is_its_paragraphs_or_the_lines_of_a_text() -> None:
    wanted = Document(("One.", "Two."))
    assert as_document({"paragraphs": ["One.", "Two."]}) == wanted
    assert as_document({"text": "One.\n\nTwo.\n"}) == wanted
    assert as_document("One.\nTwo.") == wanted
    for wrong in ({"paragraphs": []}, {"paragraphs": ["One.", ""]}, {"text": " \n"}, {}, 3):
        with pytest.raises(DataError):
            as_document(wrong)


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        ({"sentence": "fine", "label": "1"}, Labelled("fine", "1")),
        ({"index": "0", "sentence1": "a", "sentence2": "b", "label": "entailment"}, Labelled("a", "entailment", "b")),
        ({"question": "who", "sentence": "he", "label": "not"}, Labelled("who", "not", "he")),
        ({"question1": "who", "question2": "whom", "is_duplicate": "0"}, Labelled("who", "0", "whom")),
        ({"Quality": "1", "#1 ID": "7", "#1 String": "a", "#2 String": "b"}, Labelled("a", "1", "b")),
        ({"premise": "a", "hypothesis": "b", "label": 2}, Labelled("a", "2", "b")),
        ({"sentence1": "a", "sentence2": "b", "label1": "x", "gold_label": "y"}, Labelled("a", "y", "b")),
    ],
)
def test_the_columns_of_glue_are_known(row: dict[str, Any], wanted: Labelled) -> None:
    assert as_labelled(row) == wanted


def test_a_label_is_a_name_or_several_or_a_number() -> None:
    assert as_labelled({"text": "a", "label": True}).label == "true"
    assert as_labelled({"text": "a", "text_pair": None, "label": -1}).label == "-1"
    many = "multi_label_classification"
    assert as_labelled({"text": "a", "label": ["sad", 3]}, many).label == ("sad", "3")
    assert as_labelled({"text": "a", "labels": "[]"}, many).label == ()
    assert as_labelled({"sentence1": "a", "sentence2": "b", "score": "3.25"}, "regression") == Labelled("a", 3.25, "b")
    assert as_labelled({"line": "a", "grade": 2}, "regression", ("line", None, "grade")) == Labelled("a", 2.0)


@pytest.mark.parametrize(
    ("problem_type", "label", "fault"),
    [
        ("single_label_classification", 0.5, "`label` must be a text or a whole number, but is 0.5"),
        ("single_label_classification", None, "null"),
        ("multi_label_classification", "sad", "a list of texts or whole numbers"),
        ("multi_label_classification", ["sad", None], "a list of texts or whole numbers"),
        ("regression", "many", "a finite number"),
        ("regression", math.nan, "a finite number"),
        ("regression", True, "a finite number"),
        ("regression", 10**400, "a finite number"),
    ],
)
def test_what_is_no_label_is_refused(problem_type: Any, label: Any, fault: str) -> None:
    with pytest.raises(DataError, match=fault):
        as_labelled({"text": "a", "label": label}, problem_type)


def test_a_question_reads_alike_in_both_layouts_of_squad() -> None:
    wanted = Question(CONTEXT, "What was he?", (Answer("a scrivener", 13),), "q1")
    assert as_question({**QUESTION, "id": "q1"}) == wanted
    lists = {"text": ["a scrivener"], "answer_start": [13]}
    assert as_question({**QUESTION, "answers": lists, "id": "q1"}) == wanted
    assert as_question({**QUESTION, "answers": [], "is_impossible": True}).answers == ()
    assert as_question({**QUESTION, "answers": {"text": [], "answer_start": []}}).answers == ()


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"answers": None}, "`answers` must be objects"),
        ({"answers": {"text": ["a"], "answer_start": []}}, "`answers` must be objects"),
        ({"answers": [{"text": "a scrivener"}]}, "`answers` must be objects"),
        ({"answers": [{"text": "a scrivener", "answer_start": 12}]}, '12 must be where "a scrivener" stands'),
        ({"answers": [{"text": "to.", "answer_start": -3}]}, "`answer_start` -3"),
        ({"is_impossible": True}, "`answers` must be empty where `is_impossible`"),
        ({"question": ""}, "`question` must be a text"),
    ],
)
def test_an_answer_must_stand_where_it_says(change: dict[str, Any], fault: str) -> None:
    with pytest.raises(DataError, match=fault):
        as_question({**QUESTION, **change})


def test_half_a_character_is_no_text() -> None:
    record = json.loads('{"text": "a \\ud800", "summary": "b"}')
    with pytest.raises(DataError, match=r"`text` must be .*\\ud800"):
        as_pair(record)


@given(PLAIN_VALUES)
def test_any_value_is_a_record_or_a_data_error(value: Any) -> None:
    shapes = (as_dialogue, as_pair, as_document, as_labelled, as_question, lambda item: as_translation(item, "a", "b"))
    for shape in shapes:
        try:
            shape(value)
        except DataError as fault:
            str(fault).encode()
