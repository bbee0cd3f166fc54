from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bartleby.backends.options import Fixed, ReadingOptions, take_fixed
from bartleby.checkpoints.folder import save_folder
from bartleby.checkpoints.forms import SAFETENSORS, flax_form
from bartleby.errors import CheckpointError, OptionError
from bartleby.hub import Kind

ORDER: tuple[Kind, ...] = ("msgpack", "safetensors", "bin", "h5")


def save(folder: Path, value: float, **options: Any) -> None:
    weights = {"final_logits_bias": np.full((1, 2), value, np.float32)}
    save_folder(folder, **({"config": {}, "generation_config": None, "weights": weights} | options))


@pytest.mark.parametrize(
    ("keywords", "kinds"),
    [
        ({}, ORDER),
        ({"from_pt": True}, ("safetensors", "bin")),
        ({"from_pt": True, "use_safetensors": False}, ("bin",)),
        ({"from_tf": True}, ("h5",)),
        ({"from_flax": True}, ("msgpack",)),
        ({"use_safetensors": True}, ("safetensors",)),
        ({"use_safetensors": False}, ("msgpack", "bin", "h5")),
    ],
)
def test_the_kinds_of_file_that_are_meant(keywords: dict[str, Any], kinds: tuple[Kind, ...]) -> None:
    assert ReadingOptions.take(dict(keywords)).kinds(ORDER) == kinds


def test_what_is_about_reading_is_taken_and_the_rest_left() -> None:
    keywords: dict[str, Any] = {"revision": "v2", "from_pt": True, "d_model": 8, "_from_auto": True, "token": None}
    options = ReadingOptions.take(keywords)
    assert keywords == {"d_model": 8}
    assert (options.from_pt, options.hub) == (True, {"revision": "v2"})


def test_all_that_cannot_be_is_said_at_once() -> None:
    with pytest.raises(OptionError, match="has 3 faults") as refusal:
        ReadingOptions.take({"load_in_8bit": True, "from_pt": True, "from_tf": True, "use_safetensors": True})
    assert "`from_pt` and `from_tf` cannot both be True: a model has one origin" in str(refusal.value)
    assert "`use_safetensors` and `from_tf` cannot both be True" in str(refusal.value)
    assert "`load_in_8bit` must be False, but is True: quantized weights are not in this release" in str(refusal.value)


def test_a_fixed_argument_may_be_said_but_not_changed() -> None:
    table = {"tp_plan": Fixed(None, "one device"), "fused": Fixed(False, "it is not")}
    keywords = {"tp_plan": None, "fused": True, "other": 1}
    assert take_fixed(keywords, table) == ["`fused` must be False, but is True: it is not."]
    assert keywords == {"other": 1}


def test_the_first_kind_that_is_there_is_opened(tmp_path: Path) -> None:
    save(tmp_path, 1)
    save(tmp_path, 2, form=flax_form(bare=False))
    save(tmp_path, 3, form=replace(SAFETENSORS, variant="fp16"))

    def opened(**keywords: Any) -> float:
        options = ReadingOptions.take(keywords)
        with options.open_weights(tmp_path, options.kinds(ORDER)) as stored:
            return float(stored.array("final_logits_bias")[0, 0])

    assert opened() == 2
    assert opened(use_safetensors=True) == opened(from_pt=True) == opened(use_safetensors=True, from_pt=True) == 1
    assert opened(variant="fp16") == 3
    with pytest.raises(CheckpointError, match=r"none of tf_model\.h5, .* Leave out `from_tf` to take what there is"):
        opened(from_tf=True)
    with pytest.raises(CheckpointError, match=r"none of pytorch_model\.bf16\.bin.*`use_safetensors`, `variant`, `f"):
        opened(from_pt=True, use_safetensors=False, variant="bf16")


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"has no weights: none of flax_model\.msgpack, .*\. Download or copy"):
        ReadingOptions().open_weights(tmp_path, ORDER)
