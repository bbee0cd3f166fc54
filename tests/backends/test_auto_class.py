from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, Self

import pytest

from bartleby.backends.auto_class import AutoClass, Mapping, register_own
from bartleby.errors import ConfigError, OptionError
from bartleby.family.config import BartConfig, BlenderbotConfig, PreTrainedConfig


class Bart:
    """Remembers how it was made."""

    config_class: ClassVar[type[PreTrainedConfig]] = BartConfig

    def __init__(self, *given: Any) -> None:
        self.given = given

    @classmethod
    def from_pretrained(cls, *arguments: Any, **keywords: Any) -> Self:
        return cls("pretrained", arguments, keywords)

    @classmethod
    def _from_config(cls, config: PreTrainedConfig, **keywords: Any) -> Self:
        return cls("config", config, keywords)


class Own(Bart):
    pass


class AutoBart(AutoClass[Bart]):
    _model_mapping: ClassVar[Mapping] = {BartConfig: Bart}


@pytest.fixture(autouse=True)
def mapping(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AutoBart, "_model_mapping", {BartConfig: Bart})


def test_the_class_gets_all_that_it_was_given(tmp_path: Path) -> None:
    BartConfig().save_pretrained(tmp_path / "inner")
    made = AutoBart.from_pretrained(tmp_path, 1, subfolder="inner", dropout=0.5)
    assert made.given == ("pretrained", (tmp_path, 1), {"config": None, "subfolder": "inner", "dropout": 0.5})
    config = BartConfig()
    assert AutoBart.from_pretrained("x", config=config).given[2] == {"config": config}
    assert AutoBart.from_config(config, dtype="float16").given == ("config", config, {"dtype": "float16"})


def test_other_configs_are_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match="must be one of bart for AutoBart, but is 'blenderbot'"):
        AutoBart.from_config(BlenderbotConfig())
    with pytest.raises(TypeError, match=r"Use AutoBart\.from_pretrained or AutoBart\.from_config"):
        AutoBart()


def test_models_of_ones_own_are_handed_out_after_they_were_registered() -> None:
    with pytest.raises(ConfigError, match="BartConfig has Bart already"):
        AutoBart.register(BartConfig, Own)
    with pytest.raises(ConfigError, match="`config_class` must be BartConfig, which Own is built from"):
        AutoBart.register(BlenderbotConfig, Own)
    AutoBart.register(BartConfig, Own, exist_ok=True)
    assert type(AutoBart.from_config(BartConfig())) is Own


@pytest.mark.parametrize("named", ["AutoBart", AutoBart])
def test_a_class_is_registered_by_the_name_of_its_door(named: Any) -> None:
    doors: Any = SimpleNamespace(AutoBart=AutoBart, Bart=Bart)
    register_own(Own, named, doors)
    assert type(AutoBart.from_config(BartConfig())) is Own
    for wrong in ("Bart", "Nothing"):
        with pytest.raises(OptionError, match=f"`auto_class` must name an auto class .* but is '{wrong}'"):
            register_own(Own, wrong, doors)
