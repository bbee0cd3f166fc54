"""Every example of the API documentation, with the published checkpoints: prints what the page says it prints.

These need the network, 12 GB of memory and ../shared/seeds beside the checkout. They have not been seen to pass: where
they were written, the hub could not be reached. That nothing in them fails for another reason than the numbers is
tested by test_rehearsal.py and test_other_wings.py.
"""

from __future__ import annotations

import pytest

from tests.hub.absent import or_absent
from tests.hub.documented import SEEDS, is_as_printed, read_examples, run

pytestmark = pytest.mark.hub


@pytest.mark.parametrize("example", or_absent(read_examples("torch", "flax", "tensorflow"), SEEDS, name="place"))
def test_an_example_prints_what_the_page_says(example):
    pytest.importorskip(example.framework)
    differences = [
        f"wanted {wanted!r}, got {printed!r}" for wanted, printed in run(example) if not is_as_printed(wanted, printed)
    ]
    assert differences == []
