"""The reference library's trainer works with our models, tokenizers and decoding, as docs/migrating.md shows."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.tiny_chat import LINES, save_tiny_chat

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')
transformers = pytest.importorskip("transformers", reason="needs the reference library: pip install transformers")
pytest.importorskip("accelerate", reason="the reference library's trainer needs it: pip install accelerate")
pytestmark = pytest.mark.filterwarnings("default")  # what that trainer warns of is its own affair

from bartleby import AutoModelForSeq2SeqLM, AutoTokenizer  # noqa: E402  after the skip


class Trainer(transformers.Seq2SeqTrainer):
    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        output_dir = output_dir or self.args.output_dir
        self.model.save_pretrained(output_dir)
        self.processing_class.save_pretrained(output_dir)


def test_it_trains_evaluates_by_decoding_saves_and_goes_on(tmp_path: Path) -> None:
    folder = save_tiny_chat(tmp_path / "chat")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    rows = [dict(tokenizer(said)) | {"labels": tokenizer(reply).input_ids} for said, reply in pairwise(LINES)]

    def trainer(steps: int) -> Trainer:
        model = AutoModelForSeq2SeqLM.from_pretrained(folder)
        options = transformers.Seq2SeqTrainingArguments(
            str(tmp_path / "run"),
            max_steps=steps,
            save_steps=1,
            per_device_train_batch_size=2,
            predict_with_generate=True,
            generation_max_length=12,
            report_to=[],
            use_cpu=True,
            disable_tqdm=True,
        )
        return Trainer(
            model=model,
            args=options,
            train_dataset=rows,
            eval_dataset=rows,
            data_collator=transformers.DataCollatorForSeq2Seq(tokenizer, model=model),
            processing_class=tokenizer,
        )

    first = trainer(1)
    first.train()
    predictions = first.predict(rows, max_length=9).predictions
    assert predictions.shape[0] == len(rows)
    assert predictions.shape[1] >= 9
    again = trainer(2)
    again.train(resume_from_checkpoint=True)
    assert again.state.global_step == 2
    saved = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "run" / "checkpoint-2")
    for name, tensor in again.model.state_dict().items():
        torch.testing.assert_close(saved.state_dict()[name], tensor)
