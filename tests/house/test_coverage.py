"""docs/coverage.md tells the truth: what it claims is there, and it says what is missing."""

import ast
import re
from importlib.util import find_spec

import pytest

import bartleby
from tests.house.coverage import Coverage, agrees, fault_of, has, instance, literal, measure, page, parameters_of
from tests.house.published import Wanted, published

MEMBER = re.compile(r"(?P<name>\w+)(?P<parameters>\(.*\))?(?: = (?P<value>.*))?")
FIRST_NAMES = 1000  # far below what is there: a page that lost its claims is no page

pytestmark = [
    pytest.mark.skipif(find_spec(framework) is None, reason=f'needs {framework}: pip install "bartleby[{extra}]"')
    for framework, extra in {"torch": "torch", "jax": "flax", "tensorflow": "tensorflow"}.items()
]


@pytest.fixture(scope="module")
def written(root):
    return (root / "docs" / "coverage.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def found(shared) -> Coverage:
    return measure(shared / "api")


def claims(text):
    """(class, member) of everything under "What is here"; a member is a name, `name(parameters)` or `name = value`."""
    for heading, body in re.findall(r"^### (.+)\n((?:(?!### ).*\n)*)", text, re.MULTILINE):
        for member in re.findall(r"`([^`]+)`", body):
            yield from ((owner, member) for owner in heading.split(", "))


def is_true(owner: str, member: str) -> bool:
    """Whether a class has what the page says it has; an output's fields are written as its parameters."""
    said = MEMBER.fullmatch(member)
    assert said is not None, member
    if owner == "Outputs":
        owner, said = said["name"], MEMBER.fullmatch(f"__init__{said['parameters']}")
    cls = getattr(bartleby, owner)
    if said["value"] is not None:
        holder = cls if "Tokenizer" in owner else instance(cls)
        return repr(getattr(holder, said["name"])) == said["value"]
    if said["parameters"] is None:
        return has(cls, said["name"])
    known = parameters_of(cls, said["name"])
    call = ast.parse(f"f{said['parameters']}", mode="eval").body
    defaults = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    names = {argument.id for argument in call.args} | defaults.keys()
    return names <= known.keys() and all(literal(known[name]) == text for name, text in defaults.items())


def test_everything_the_page_claims_is_there(written):
    said = list(claims(written))
    assert len(said) > FIRST_NAMES
    assert [f"{owner}.{member}" for owner, member in said if not is_true(owner, member)] == []


def test_the_page_is_up_to_date(written, found):
    assert written == page(found), "run: scripts/coverage"


def test_every_name_that_is_left_out_is_published_and_not_there(found):
    assert [pattern for pattern, names in found.left_out.items() if not names] == []


def test_both_releases_are_read(shared):
    names = {str(wanted): wanted for wanted in published(shared / "api")}
    assert names["BartModel.forward(head_mask)"].values.keys() == {"4.37.2"}
    assert names["BartModel.forward(input_ids)"].values == {"4.37.2": None, "5.23.0": None}
    assert names["GenerationConfig.min_p"].values == {"5.23.0": None}


@pytest.mark.parametrize(
    ("wanted", "fault"),
    [
        (Wanted("BartModel", "forward", "input_ids", "parameter", {"5.23.0": None}), None),
        (Wanted("BartModel", "forward", "input_ids", "parameter", {"5.23.0": 1}), "is None, not 1"),
        (Wanted("BartModel", "forward", "pixels", "parameter", {"5.23.0": None}), "no such parameter"),
        (Wanted("BartModel", "paint", "pixels", "parameter", {"5.23.0": None}), "no such method"),
        (Wanted("BartModel", "paint"), "no such name"),
        (Wanted("BertModel"), "no such class"),
        (Wanted("FlaxBartModel", "__init__", "dtype", "parameter", {"4.37.2": "<class 'jax.numpy.float32'>"}), None),
        (Wanted("TFBartModel", "steps_per_execution"), None),  # set by Keras' own constructor
        (Wanted("TFBartModel", "call", "training", "parameter", {"4.37.2": False}), None),
        (Wanted("BartConfig", "d_model", kind="default", values={"4.37.2": 1, "5.23.0": 1024}), None),
        (Wanted("GenerationConfig", "top_k", kind="default", values={"4.37.2": 50, "5.23.0": None}), None),
        (Wanted("BartTokenizer", "padding_side", kind="value", values={"5.23.0": "left"}), "is 'right', not 'left'"),
    ],
)
def test_what_is_missing_is_told(wanted, fault):
    assert fault_of(wanted) == fault


def test_where_the_releases_differ_the_one_that_is_followed_counts():
    values = {"4.37.2": 1, "5.23.0": 2}
    assert Wanted("BartTokenizer", "padding_side", kind="value", values=values).counting == [2]
    assert Wanted("GenerationConfig", "top_k", kind="default", values=values).counting == [1]
    assert Wanted("BartConfig", "dropout", kind="default", values=values).counting == [1, 2]


def test_a_flag_is_no_number():
    assert not agrees(1, True)
    assert agrees({0: "LABEL_0"}, {"0": "LABEL_0"})
