import shutil
from pathlib import Path

import pytest
import torch

from bartleby.backends.pytorch.models import BlenderbotForConditionalGeneration
from bartleby.errors import CheckpointError
from bartleby.tasks.chat import Chat
from bartleby.tokenization.auto import AutoTokenizer
from bartleby.training.chat_run import model_perplexity
from bartleby.training.export import export_run
from bartleby.training.store import Examples
from tests.training.tiny import quiet


@pytest.fixture(scope="module")
def exported(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished run as a checkpoint to ship. Do not write into it."""
    return export_run(finished_run, tmp_path_factory.mktemp("shipped") / "tiny-talker", quiet)


def test_an_exported_folder_holds_what_a_checkpoint_needs_and_no_more(exported: Path) -> None:
    assert sorted(path.name for path in exported.iterdir()) == [
        "README.md",
        "config.json",
        "generation_config.json",
        "merges.txt",
        "model.safetensors",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.json",
    ]
    assert [path.name for path in exported.parent.iterdir()] == ["tiny-talker"]


def test_it_is_the_run_s_model_in_float16(exported: Path, finished_run: Path) -> None:
    shipped = BlenderbotForConditionalGeneration.from_pretrained(exported, dtype="auto")
    trained = BlenderbotForConditionalGeneration.from_pretrained(finished_run / "checkpoints" / "step-00000006")
    assert shipped.dtype == torch.float16
    for name, weight in trained.state_dict().items():
        assert torch.equal(shipped.state_dict()[name], weight.half()), name


def test_one_can_chat_with_it(exported: Path) -> None:
    chat = Chat.load(exported, num_beams=2, min_new_tokens=1, max_new_tokens=4)
    assert chat.layout.turns_kept == 3
    assert 1 <= chat.reply("Do you like cats?").tokens <= 4


def test_the_card_tells_what_was_measured(exported: Path, finished_run: Path) -> None:
    card = (exported / "README.md").read_text(encoding="utf-8")
    pairs = Examples.open(finished_run / "valid")
    figure = model_perplexity(BlenderbotForConditionalGeneration.from_pretrained(exported), pairs)
    assert f"**{figure.value:.1f}** a token" in card
    assert f"over {figure.tokens:,} tokens" in card
    assert "| talks | 8 | not known to bartleby |" in card
    assert str(finished_run) not in card
    assert card.count("**model**: ") == 10
    assert card.startswith("---\n")
    assert "\n# tiny-talker\n" in card
    assert "| steps | 6 of 6, " in card


def test_the_tokenizer_knows_how_much_the_model_can_read(exported: Path) -> None:
    assert AutoTokenizer.from_pretrained(exported).model_max_length == 128


def test_nothing_but_a_checkpoint_is_replaced(finished_run: Path, exported: Path, tmp_path: Path) -> None:
    shutil.copytree(exported, tmp_path / "tiny-talker")
    (tmp_path / "tiny-talker" / "pytorch_model.bin").write_bytes(b"older weights")
    export_run(finished_run, tmp_path / "tiny-talker", quiet)
    assert not (tmp_path / "tiny-talker" / "pytorch_model.bin").exists()
    (tmp_path / "letters").mkdir()
    with pytest.raises(CheckpointError, match="letters exists and is no checkpoint"):
        export_run(finished_run, tmp_path / "letters", quiet)


def test_a_folder_without_a_checkpoint_cannot_be_exported(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="must be the folder of a run with a checkpoint"):
        export_run(tmp_path, tmp_path / "out", quiet)
