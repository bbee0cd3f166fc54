import json
from types import SimpleNamespace

import pytest

from bartleby.errors import OptionError
from bartleby.generation.compiling import CompileConfig, compile_arguments, is_compiling
from bartleby.generation.config import GenerationConfig

PUBLISHED = {"fullgraph": False, "dynamic": None, "backend": "inductor", "mode": "reduce-overhead", "options": None}


def test_the_defaults_are_the_published_ones() -> None:
    assert CompileConfig().to_dict() == PUBLISHED == compile_arguments(CompileConfig())
    assert CompileConfig(True).fullgraph


def test_a_dictionary_and_an_object_of_another_class_do_as_well() -> None:
    assert compile_arguments({"backend": "eager"}) == {"backend": "eager"}
    other = SimpleNamespace(**PUBLISHED, _own="left out")
    assert is_compiling(other)
    assert compile_arguments(other) == PUBLISHED


@pytest.mark.parametrize("wrong", [5, "inductor", {"full_graph": True}, SimpleNamespace(fullgraph=True)])
def test_what_does_not_say_how_to_compile_is_refused(wrong: object) -> None:
    with pytest.raises(OptionError, match="`compile_config` must be a CompileConfig or a dictionary of fullgraph"):
        GenerationConfig(compile_config=wrong)


def test_it_is_written_as_a_dictionary_and_read_again() -> None:
    config = GenerationConfig(compile_config=CompileConfig(fullgraph=True))
    written = json.loads(config.to_json_string())
    assert written == {"compile_config": {**PUBLISHED, "fullgraph": True}}
    assert compile_arguments(GenerationConfig.from_dict(written).compile_config)["fullgraph"]
    with pytest.raises(OptionError, match="JSON can hold"):
        GenerationConfig(compile_config=CompileConfig(backend=print)).to_json_string()
