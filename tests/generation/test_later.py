from typing import get_args

import pytest

from bartleby.generation.later import LATER, Implementation
from bartleby.generation.options import DEFAULTS


@pytest.mark.parametrize("name", LATER)
def test_every_refusal_tells_the_reason_in_words_that_end_a_sentence(name: str) -> None:
    assert name in DEFAULTS
    assert set(LATER[name]) <= {*get_args(Implementation)}
    for reason in LATER[name].values():
        assert reason[0].islower() or reason[0] == "`"
        assert not reason.endswith(".")
