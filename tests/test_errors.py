import inspect

import pytest

from bartleby import errors
from bartleby.errors import (
    BartlebyError,
    CheckpointError,
    ConfigError,
    HubError,
    MissingExtraError,
    need_extra,
    raise_all,
)

CLASSES = [value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, BartlebyError)]


@pytest.mark.parametrize("error", [cls for cls in CLASSES if cls is not BartlebyError])
def test_every_error_is_also_the_builtin_a_caller_expects(error):
    assert issubclass(error, (ValueError, TypeError, OSError, ImportError))


def test_the_tree_in_the_docstring_is_the_tree_of_classes():
    drawn = [line.split("── ")[1].split()[0] for line in (errors.__doc__ or "").splitlines() if "── " in line]
    assert sorted(drawn) == sorted(cls.__name__ for cls in CLASSES if cls is not BartlebyError)


def test_who_catches_checkpoint_errors_catches_an_unknown_name_too():
    with pytest.raises(CheckpointError, match="no such name"):
        raise HubError("no such name")


def test_an_extra_that_is_installed_is_let_through(monkeypatch):
    monkeypatch.setitem(errors.EXTRA_MODULES, "torch", ("json", "pathlib"))
    need_extra("torch", "This test")


def test_a_missing_extra_is_refused_with_the_line_that_installs_it(monkeypatch):
    monkeypatch.setitem(errors.EXTRA_MODULES, "convert", ("json", "no_such_module", "nor_this_one"))
    with pytest.raises(MissingExtraError) as caught:
        need_extra("convert", "Reading `.h5` weights")
    message = 'Reading `.h5` weights needs no_such_module, nor_this_one. Run: pip install "bartleby[convert]"'
    assert str(caught.value) == message


def test_no_fault_raises_nothing():
    raise_all(ConfigError, [], "config.json")


def test_a_single_fault_stays_on_one_line():
    with pytest.raises(ConfigError) as caught:
        raise_all(ConfigError, ["`d_model` must be at least 1, but is 0."], "config.json")
    assert str(caught.value) == "config.json: `d_model` must be at least 1, but is 0."


def test_all_faults_are_told_at_once():
    with pytest.raises(ConfigError) as caught:
        raise_all(ConfigError, ["first", "second", "third"], "config.json")
    assert str(caught.value).splitlines() == ["config.json has 3 faults:", "  - first", "  - second", "  - third"]


def test_faults_inside_a_fault_stand_further_in():
    with pytest.raises(ConfigError) as caught:
        raise_all(ConfigError, ["first", "BartConfig has 2 faults:\n  - one\n  - two"], "model.pt")
    lines = ["model.pt has 2 faults:", "  - first", "  - BartConfig has 2 faults:", "    - one", "    - two"]
    assert str(caught.value).splitlines() == lines
