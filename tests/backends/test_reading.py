"""Reading without any framework; the wings' own tests read into models."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bartleby.backends.options import ReadingOptions
from bartleby.backends.reading import Reading, reading
from bartleby.checkpoints.folder import save_folder
from bartleby.checkpoints.forms import SAFETENSORS, Form, flax_form, tensorflow_form
from bartleby.errors import CheckpointError, ConfigError, MismatchError, OptionError
from bartleby.family.config import BartConfig
from bartleby.family.parameters import Head, parameter_table
from bartleby.hub import Kind
from tests.parity.random_models import random_config, seeded

pytest.importorskip("h5py", reason='TensorFlow\'s files need h5py: pip install "bartleby[convert]"')

ORDER: tuple[Kind, ...] = ("safetensors", "bin", "h5", "msgpack")
FORMS = {"safetensors": SAFETENSORS, "flax": flax_form(bare=False), "tensorflow": tensorflow_form("tf_model")}
DENSE = "classification_head.dense.weight"


def arrays(config: BartConfig, head: Head = "conditional_generation") -> dict[str, Any]:
    """Numbers that are different for every parameter, ties once."""
    table = [each for each in parameter_table(config, head) if each.tied_to is None]
    return {each.name: np.full(each.shape, place + 1, np.float32) for place, each in enumerate(table)}


def save(folder: Path, weights: dict[str, Any], config: BartConfig, **options: Any) -> None:
    generation = {"num_beams": 3, "max_length": 7}
    document = config.to_diff_dict()
    save_folder(folder, **({"config": document, "generation_config": generation, "weights": weights} | options))


def bart() -> BartConfig:
    config = random_config(seeded("reading"), "bart")
    assert isinstance(config, BartConfig)
    config.tie_word_embeddings = True
    return config


def read(folder: Path, head: Head = "conditional_generation", **keywords: Any) -> tuple[Reading, dict[str, Any]]:
    config = keywords.pop("config", None)
    options = ReadingOptions.take(keywords)
    with reading(folder, (BartConfig, head), config, options, ORDER, keywords) as found:
        return found, {name: np.array(tensor.array()) for name, tensor in found.tensors.items()}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_all_is_read_under_canonical_names_whatever_the_container(tmp_path: Path, form: Form) -> None:
    config = bart()
    weights = arrays(config)
    save(tmp_path, weights, config, form=form)
    found, numbers = read(tmp_path)
    assert found.drawn == ()
    assert found.config.name_or_path == str(tmp_path)
    assert {name: array.tolist() for name, array in numbers.items()} == {k: v.tolist() for k, v in weights.items()}


def test_the_config_and_the_decoding_options_take_changes(tmp_path: Path) -> None:
    config = bart()
    save(tmp_path, arrays(config), config)
    found, _ = read(tmp_path)
    assert (found.generation_config.num_beams, found.generation_config.max_length) == (3, 7)
    found, _ = read(tmp_path, dropout=0.25, num_beams=5)
    assert (found.config.dropout, found.generation_config.num_beams) == (0.25, 5)
    assert found.generation_config.max_length == 7
    found, _ = read(tmp_path, output_attentions=True)  # without a warning that `generate` does not care
    assert found.config.output_attentions
    assert found.generation_config.output_attentions
    config.dropout = 0.5
    assert read(tmp_path, config=config)[0].config.dropout == 0.5
    assert read(tmp_path, config=config)[0].config is not config
    with pytest.raises(ConfigError, match="dropuot"):
        read(tmp_path, dropuot=0.25)


def test_a_missing_head_is_to_be_drawn_and_a_missing_body_is_refused(tmp_path: Path) -> None:
    config = bart()
    weights = arrays(config, "none")
    save(tmp_path, weights, config)
    found, numbers = read(tmp_path, "sequence_classification")
    assert DENSE in found.drawn
    assert DENSE in found.report.missing
    assert set(numbers) == set(weights)
    gone = "model.encoder.layernorm_embedding.bias"
    save(tmp_path, {name: array for name, array in weights.items() if name != gone}, config)
    with pytest.raises(CheckpointError, match=f"`{gone}` is missing"):
        read(tmp_path, "none")
    assert read(tmp_path, "none", output_loading_info=True)[0].drawn == (gone,)


def test_misshapen_weights_are_refused_or_to_be_drawn(tmp_path: Path) -> None:
    config = bart()
    save(tmp_path, arrays(config, "sequence_classification"), config)
    changed = {"num_labels": config.num_labels + 1}
    with pytest.raises(MismatchError, match=r"classification_head.out_proj.weight.*\n(.*\n)*.*ignore_mismatched_sizes"):
        read(tmp_path, "sequence_classification", **changed)
    found, _ = read(tmp_path, "sequence_classification", ignore_mismatched_sizes=True, **changed)
    assert found.drawn == ("classification_head.out_proj.weight", "classification_head.out_proj.bias")


def test_code_of_a_checkpoint_is_never_run(tmp_path: Path) -> None:
    config = bart()
    save_folder(
        tmp_path,
        config=config.to_diff_dict() | {"auto_map": {"AutoModel": "code.Model"}},
        generation_config=None,
        weights=arrays(config),
    )
    with pytest.raises(OptionError, match="brings code for its model along"):
        read(tmp_path, trust_remote_code=True)
    assert read(tmp_path)[0].drawn == ()


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("cut", [0, 1, 9, 100, 0.5, 0.99])
def test_files_cut_short_are_refused(tmp_path: Path, form: Form, cut: float) -> None:
    config = bart()
    save(tmp_path, arrays(config), config, form=form)
    path = tmp_path / form.single
    whole = path.read_bytes()
    path.write_bytes(whole[: int(cut if cut >= 1 or cut == 0 else cut * len(whole))])
    with pytest.raises(CheckpointError):
        read(tmp_path)
