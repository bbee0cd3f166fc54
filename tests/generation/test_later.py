import pytest

from bartleby.generation.later import LATER


@pytest.mark.parametrize("name", LATER)
def test_every_refusal_tells_the_reason_in_words_that_end_a_sentence(name: str) -> None:
    reason = LATER[name].reason
    assert reason[0].islower()
    assert not reason.endswith(".")
    assert set(LATER[name].refused_by) <= {"plain", "pytorch"}
