import pytest

from bartleby.family.parameters import parameter_table
from tests.parity.random_models import MODEL_TYPES

pytest.importorskip("tensorflow", reason='the TensorFlow wing is not installed: pip install "bartleby[tensorflow]"')

from tests.backends.keras.reference_models import SUFFIX, known

HEADS = [(model_type, head) for model_type in MODEL_TYPES for head in SUFFIX]
MISSING = {(model_type, head) for model_type in MODEL_TYPES[1:] for head in list(SUFFIX)[2:4]}


@pytest.mark.parametrize(("model_type", "head"), [each for each in HEADS if each not in MISSING])
def test_variables_are_those_of_the_table(model_type: str, head: str) -> None:
    made = known(model_type, head)
    named = made.model.variables_by_name()
    table = parameter_table(made.config, head)
    assert list(named) == [each.name for each in table if each.tied_to is None]
    assert {id(each) for each in named.values()} == {id(each) for each in made.model.weights}
    assert len({each.path for each in named.values()}) == len(named)
