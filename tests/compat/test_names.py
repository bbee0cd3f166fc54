"""The constants are the published ones, and the tables those that the package itself looks in."""

from importlib.util import find_spec

import pytest

import bartleby
from bartleby.compat import names
from bartleby.compat.names import CONFIG_MAPPING, TOKENIZER_MAPPING

PUBLISHED = {
    "CONFIG_NAME": "config.json",
    "GENERATION_CONFIG_NAME": "generation_config.json",
    "WEIGHTS_NAME": "pytorch_model.bin",
    "WEIGHTS_INDEX_NAME": "pytorch_model.bin.index.json",
    "SAFE_WEIGHTS_NAME": "model.safetensors",
    "SAFE_WEIGHTS_INDEX_NAME": "model.safetensors.index.json",
    "TF2_WEIGHTS_NAME": "tf_model.h5",
    "FLAX_WEIGHTS_NAME": "flax_model.msgpack",
    "VOCAB_FILES_NAMES": {"vocab_file": "vocab.json", "merges_file": "merges.txt"},
}


def test_files_have_their_published_names():
    assert {name: getattr(names, name) for name in PUBLISHED} == PUBLISHED


def test_tables_lead_from_a_model_type_to_its_classes():
    assert CONFIG_MAPPING["blenderbot-small"] is bartleby.BlenderbotSmallConfig
    assert dict(TOKENIZER_MAPPING) == {
        bartleby.BartConfig: bartleby.BartTokenizer,
        bartleby.BlenderbotConfig: bartleby.BlenderbotTokenizer,
        bartleby.BlenderbotSmallConfig: bartleby.BlenderbotSmallTokenizer,
    }
    assert len(TOKENIZER_MAPPING) == 3


def test_what_is_registered_is_in_the_tables(monkeypatch):
    class QuillConfig(bartleby.BartConfig):
        model_type = "quill"

    monkeypatch.setitem(CONFIG_MAPPING, "quill", QuillConfig)
    assert QuillConfig not in TOKENIZER_MAPPING
    monkeypatch.setattr("bartleby.compat.names.BY_MODEL_TYPE", {"quill": bartleby.BartTokenizer})
    assert TOKENIZER_MAPPING[QuillConfig] is bartleby.BartTokenizer
    assert list(TOKENIZER_MAPPING) == [QuillConfig]


@pytest.mark.parametrize(
    ("table", "prefix"),
    [
        pytest.param(
            f"{table}MODEL_",
            prefix,
            marks=pytest.mark.skipif(
                find_spec(framework) is None, reason=f'needs {framework}: pip install "bartleby[{extra}]"'
            ),
        )
        for table, prefix, framework, extra in (
            ("", "", "torch", "torch"),
            ("FLAX_", "Flax", "flax", "flax"),
            ("TF_", "TF", "tensorflow", "tensorflow"),
        )
    ],
)
def test_every_table_of_models_is_that_of_its_class(table, prefix):
    assert getattr(bartleby, f"{table}MAPPING")[bartleby.BartConfig] is getattr(bartleby, f"{prefix}BartModel")
    tables = {name: getattr(bartleby, name) for name in bartleby.__all__ if name.startswith(table)}
    classes = [getattr(bartleby, name) for name in bartleby.__all__ if name.startswith(f"{prefix}AutoModel")]
    assert {id(table) for table in tables.values()} == {id(each._model_mapping) for each in classes}
    assert len(tables) == len(classes)
