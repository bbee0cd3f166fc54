"""The reference library's names for Python's own logging."""

import logging

import pytest

from bartleby.compat import verbosity


@pytest.fixture(autouse=True)
def level():
    logger = logging.getLogger("bartleby")
    before = logger.level
    yield
    logger.setLevel(before)


@pytest.mark.parametrize("name", ["debug", "info", "warning", "error"])
def test_levels_have_a_function_each(name):
    getattr(verbosity, f"set_verbosity_{name}")()
    assert verbosity.get_verbosity() == getattr(logging, name.upper())


def test_messages_below_the_level_are_not_shown(caplog):
    verbosity.set_verbosity(verbosity.ERROR)
    verbosity.get_logger("bartleby.tokenization.lengths").warning("not shown")
    verbosity.get_logger().error("shown")
    assert caplog.messages == ["shown"]


def test_every_announced_name_is_there():
    assert all(hasattr(verbosity, name) for name in verbosity.__all__)
