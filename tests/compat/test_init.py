"""Scripts that ask for the reference library get this one; nothing is left behind when that ends."""

import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec

import pytest

import bartleby
from bartleby import compat
from bartleby.compat.served import SERVED
from bartleby.errors import OptionError

OLD_SCRIPT = """
import bartleby.compat

bartleby.compat.install()
import transformers
from transformers import BartConfig, BartTokenizer, GenerationConfig
from transformers.models.bart.configuration_bart import BartConfig as Inner
from transformers.models.bart import configuration_bart
from transformers.models.blenderbot_small.tokenization_blenderbot_small import BlenderbotSmallTokenizer
from transformers.tokenization_utils_base import AddedToken, BatchEncoding
from transformers.utils import is_torch_available, logging
import transformers.generation.streamers as streamers

logging.set_verbosity_error()
assert Inner is BartConfig is configuration_bart.BartConfig is transformers.BartConfig
assert transformers.models.bart.configuration_bart is configuration_bart
assert BartConfig.__module__ == "bartleby.family.config"
assert streamers.TextStreamer is transformers.TextStreamer
assert not hasattr(transformers, "T5Model")
assert "torch" not in __import__("sys").modules
print("ran", transformers.__version__)
"""

needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason='needs PyTorch: pip install "bartleby[torch]"')
needs_flax = pytest.mark.skipif(find_spec("flax") is None, reason='needs Flax: pip install "bartleby[flax]"')
needs_tensorflow = pytest.mark.skipif(
    find_spec("tensorflow") is None, reason='needs TensorFlow: pip install "bartleby[tensorflow]"'
)


@pytest.fixture
def served(monkeypatch):
    """Inside, the reference library is this package's; what was imported before is put back."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "transformers"]:
        monkeypatch.delitem(sys.modules, name)
    with compat.install():
        yield


def test_a_script_runs_without_a_framework():
    ran = subprocess.run([sys.executable, "-c", OLD_SCRIPT], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("ran ")


def test_every_public_name_is_served(served):
    import transformers

    assert set(bartleby.__all__) - {"__version__"} <= set(dir(transformers))


@pytest.mark.parametrize("path", sorted(SERVED))
def test_every_path_can_be_imported(served, path):
    __import__(path)
    assert sys.modules[path].__spec__.origin == "served by bartleby"


@needs_torch
def test_names_are_where_scripts_of_both_releases_look_for_them(served):
    import torch
    from transformers import CompileConfig, GenerationMixin, PretrainedBartModel, PreTrainedTokenizerBase
    from transformers.activations import ACT2FN
    from transformers.generation.configuration_utils import GENERATION_CONFIG_NAME, GenerationMode
    from transformers.generation.logits_process import LogitNormalization
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING
    from transformers.models.auto.modeling_auto import MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING
    from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING
    from transformers.models.bart.modeling_bart import BartLearnedPositionalEmbedding, BartScaledWordEmbedding
    from transformers.models.blenderbot_small.tokenization_blenderbot_small import VOCAB_FILES_NAMES
    from transformers.utils import CONFIG_NAME, SAFE_WEIGHTS_NAME, WEIGHTS_NAME, is_flax_available, is_tf_available

    config = CONFIG_MAPPING["bart"](vocab_size=20, d_model=16, encoder_layers=1, decoder_layers=1)
    model = MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING[type(config)](config)
    assert isinstance(model, GenerationMixin)
    assert isinstance(model, PretrainedBartModel)
    assert hasattr(GenerationMixin, "generate")
    assert hasattr(GenerationMixin, "greedy_search")
    assert issubclass(TOKENIZER_MAPPING[type(config)], PreTrainedTokenizerBase)
    assert type(model.get_encoder().embed_positions) is BartLearnedPositionalEmbedding
    assert isinstance(model.get_input_embeddings(), BartScaledWordEmbedding)
    assert LogitNormalization()(torch.zeros(1, 1), torch.zeros(1, 2)).exp().sum() == 1
    assert CompileConfig().mode == "reduce-overhead"
    assert GenerationMode.BEAM_SEARCH == "beam_search"
    assert "gelu" in ACT2FN
    assert "vocab_file" in VOCAB_FILES_NAMES
    files = (CONFIG_NAME, GENERATION_CONFIG_NAME, WEIGHTS_NAME, SAFE_WEIGHTS_NAME)
    assert files == ("config.json", "generation_config.json", "pytorch_model.bin", "model.safetensors")
    assert is_tf_available() == (find_spec("tensorflow") is not None)
    assert is_flax_available() == (find_spec("flax") is not None)


@pytest.mark.parametrize("name", ["bart", "blenderbot", "blenderbot_small"])
@pytest.mark.parametrize(
    "wing",
    [
        pytest.param("", marks=needs_torch),
        pytest.param("flax_", marks=needs_flax),
        pytest.param("tf_", marks=needs_tensorflow),
    ],
)
def test_the_models_are_where_they_were(served, name, wing):
    module = import_module(f"transformers.models.{name}.modeling_{wing}{name}")
    family = {"bart": "Bart", "blenderbot": "Blenderbot", "blenderbot_small": "BlenderbotSmall"}[name]
    published = {"": "", "flax_": "Flax", "tf_": "TF"}[wing] + f"{family}ForConditionalGeneration"
    assert getattr(module, published) is getattr(bartleby, published)


@needs_flax
def test_names_of_the_flax_classes_are_where_scripts_look_for_them(served):
    import jax.numpy as jnp
    from transformers import FLAX_MODEL_MAPPING, FlaxAutoModelForSeq2SeqLM
    from transformers.modeling_flax_outputs import FlaxSeq2SeqLMOutput
    from transformers.modeling_flax_utils import ACT2FN, FlaxPreTrainedModel
    from transformers.models.auto.modeling_flax_auto import FLAX_MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING
    from transformers.models.bart.modeling_flax_bart import FlaxBartPreTrainedModel, shift_tokens_right

    assert issubclass(FLAX_MODEL_MAPPING[bartleby.BartConfig], FlaxBartPreTrainedModel)
    assert issubclass(FlaxBartPreTrainedModel, FlaxPreTrainedModel)
    assert FlaxAutoModelForSeq2SeqLM._model_mapping is FLAX_MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING
    assert shift_tokens_right(jnp.array([[4, 5, -100]]), 1, 2).tolist() == [[2, 4, 5]]
    assert ACT2FN["relu"](jnp.array(-1.0)) == 0
    assert FlaxSeq2SeqLMOutput is bartleby.FlaxSeq2SeqLMOutput


@needs_tensorflow
def test_names_of_the_tensorflow_classes_are_where_scripts_look_for_them(served):
    import tensorflow as tf
    from transformers import TF_MODEL_MAPPING, TFAutoModelForSeq2SeqLM
    from transformers.activations_tf import get_tf_activation
    from transformers.modeling_tf_outputs import TFSeq2SeqLMOutput
    from transformers.modeling_tf_utils import TFPreTrainedModel
    from transformers.models.auto.modeling_tf_auto import TF_MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING
    from transformers.models.bart.modeling_tf_bart import TFBartPretrainedModel, shift_tokens_right

    assert issubclass(TF_MODEL_MAPPING[bartleby.BartConfig], TFBartPretrainedModel)
    assert issubclass(TFBartPretrainedModel, TFPreTrainedModel)
    assert TFAutoModelForSeq2SeqLM._model_mapping is TF_MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING
    assert shift_tokens_right(tf.constant([[4, 5, -100]]), 1, 2).numpy().tolist() == [[2, 4, 5]]
    assert get_tf_activation("relu")(tf.constant(-1.0)) == 0
    assert TFSeq2SeqLMOutput is bartleby.TFSeq2SeqLMOutput


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (
            "from transformers import BartTokeniser",
            r"serves transformers, but no BartTokeniser .* mean BartTokenizer\?",
        ),
        ("from transformers import Trainer", r"no Trainer in it\. Training is in bartleby\.training"),
        ("from transformers import TFBartModle", r"no TFBartModle .* mean TFBartModel\?"),
        ("from transformers import TFBertModel", "Only BART, Blenderbot"),
        ("import transformers.models.t5", r"serves no transformers\.models\.t5\. .*transformers\.models\.bart"),
        ("from transformers.models.bart import modeling_rust_bart", r"serves no transformers.*modeling_bart"),
        ("__import__('importlib').import_module('transformers.')", r"serves no transformers\.\. Served are"),
        ("from transformers.modeling_outputs import Foo", r"`dir\(transformers.modeling_outputs\)` lists"),
    ],
)
def test_what_is_not_served_is_refused_by_naming_what_is(served, line, says):
    with pytest.raises(ImportError, match=says):
        exec(line)


def test_a_missing_attribute_is_no_import_error(served):
    import transformers

    with pytest.raises(AttributeError, match="as served by bartleby, has no 'T5Model'"):
        transformers.T5Model  # noqa: B018


def test_nothing_is_left_behind(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "transformers"]:
        monkeypatch.delitem(sys.modules, name)
    before = list(sys.meta_path)
    with compat.install():
        import transformers.models.bart

        assert compat.is_installed()
        with compat.install():  # harmless: it is done already, and ends with the outer one
            pass
        assert compat.is_installed()
    assert sys.meta_path == before
    assert not any(name.partition(".")[0] == "transformers" for name in sys.modules)
    compat.uninstall()  # harmless too
    assert transformers.models.bart.BartConfig is bartleby.BartConfig  # what was imported stays usable


def test_an_installed_library_is_hidden_and_found_again(monkeypatch, tmp_path):
    for name in [name for name in sys.modules if name.partition(".")[0] == "transformers"]:
        monkeypatch.delitem(sys.modules, name)
    (tmp_path / "transformers.py").write_text("name = 'the other'\n")
    monkeypatch.syspath_prepend(tmp_path)
    with compat.install():
        import transformers

        assert not hasattr(transformers, "name")
    import transformers

    assert transformers.name == "the other"
    with pytest.raises(OptionError, match="imported already"):
        compat.install()
    monkeypatch.delitem(sys.modules, "transformers")


def test_a_star_takes_the_public_names(served):
    scope = {}
    exec("from transformers.configuration_utils import BartConfig", scope)
    import transformers

    assert set(transformers.__all__) == set(bartleby.__all__) - {"__version__"}
    assert scope["BartConfig"] is bartleby.BartConfig
