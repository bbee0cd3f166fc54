"""How each published answer is asked for again: a function for every kind of case in ../shared/cases.

Arguments are those of the program that the answer was published with, under `bartleby` in the place of
`transformers`. A function gives back what the model says and what would be right.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bartleby import (
    AutoTokenizer,
    BartForConditionalGeneration,
    BartForSequenceClassification,
    BartModel,
    BartTokenizer,
    BlenderbotForConditionalGeneration,
    BlenderbotSmallForConditionalGeneration,
)

Case = dict[str, Any]
LONGEST_REMARK = 400
"""Characters; longer texts of the cases are articles."""

CASES = Path(__file__).resolve().parents[3] / "shared" / "cases" / "published_outputs.json"


@dataclass(frozen=True)
class Outcome:
    """What was answered, and the answers that count as right; numbers within `tolerance`."""

    answer: Any
    right: Sequence[Any]
    tolerance: float = 0.0

    def agrees(self) -> bool:
        if self.tolerance:
            return any(np.allclose(self.answer, each, rtol=0, atol=self.tolerance) for each in self.right)
        return self.answer in self.right

    def has_the_form(self) -> bool:
        """Whether the answer could be right at all: a text where one is wanted, numbers of the same shape."""
        wanted = self.right[0]
        if isinstance(wanted, str):
            return isinstance(self.answer, str)
        if self.tolerance:
            return np.shape(self.answer) == np.shape(wanted) and bool(np.isfinite(self.answer).all())
        return [type(each) for each in self.answer] == [type(each) for each in wanted]


def read_cases() -> list[Case]:
    """All of them; none where the folder is not beside the checkout."""
    return json.loads(CASES.read_text(encoding="utf-8")) if CASES.is_file() else []


def kind_of(case: Case) -> Callable[[Case], Outcome]:
    """The one function that knows the case."""
    [found] = [ask for sign, ask in KINDS if all(case.get(name, "").find(text) >= 0 for name, text in sign.items())]
    return found


def bart(case: Case, **changes: Any) -> tuple[Any, Any]:
    """The model and the tokenizer of a case; "bart (NAME)" is a tokenizer of another checkpoint."""
    other = case.get("tokenizer", "").removeprefix("bart").strip(" ()")
    tokenizer = BartTokenizer.from_pretrained(other or case["model"])
    return BartForConditionalGeneration.from_pretrained(case["model"], **changes), tokenizer


def summary_as_fairseq(case: Case) -> Outcome:
    model, tokenizer = bart(case)
    batch = tokenizer(
        [case["text"]], max_length=1024, padding="max_length", truncation="only_first", return_tensors="pt"
    )
    ids = model.generate(batch["input_ids"], attention_mask=batch["attention_mask"], num_beams=2)
    texts = tokenizer.batch_decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return Outcome(texts[0], [case["expected"]])


def summary_as_configured(case: Case) -> Outcome:
    model, tokenizer = bart(case)
    batch = tokenizer([case["text"]], max_length=1024, padding="longest", truncation="only_first", return_tensors="pt")
    ids = model.generate(input_ids=batch.input_ids, attention_mask=batch.attention_mask)
    return Outcome(tokenizer.batch_decode(ids, skip_special_tokens=True)[0], [case["expected"]])


def xsum_as_fairseq(case: Case) -> Outcome:
    model, tokenizer = bart(case)
    batch = tokenizer([case["text"]], return_tensors="pt")
    ids = model.generate(
        **batch,
        num_beams=2,
        max_length=62,
        min_length=11,
        length_penalty=1.0,
        no_repeat_ngram_size=3,
        early_stopping=True,
        decoder_start_token_id=model.config.eos_token_id,
    )
    return Outcome(tokenizer.batch_decode(ids, skip_special_tokens=True)[0], [case["expected"]])


def xsum_of_a_small_model(case: Case) -> Outcome:
    model, tokenizer = bart(case)
    batch = tokenizer(case["text"], return_tensors="pt")
    ids = model.generate(**batch, num_beams=4)
    return Outcome(tokenizer.batch_decode(ids, skip_special_tokens=True)[0], [case["expected"]])


def contrastive(case: Case) -> Outcome:
    model, tokenizer = bart(case)
    batch = tokenizer(case["text"], add_special_tokens=False, truncation=True, max_length=512, return_tensors="pt")
    ids = model.generate(batch.input_ids, penalty_alpha=0.5, top_k=5, max_length=64, num_beams=1)
    return Outcome(tokenizer.batch_decode(ids, skip_special_tokens=True)[0], [case["expected"]])


def diverse_beams(case: Case) -> Outcome:
    model, tokenizer = bart(case)
    ids = model.generate(
        tokenizer(case["text"], return_tensors="pt").input_ids,
        num_beams=4,
        num_return_sequences=2,
        num_beam_groups=4,
        diversity_penalty=2.0,
        remove_invalid_values=True,
    )
    return Outcome(tokenizer.batch_decode(ids, skip_special_tokens=True), [case["expected"]])


def documented_summary(case: Case) -> Outcome:
    model, tokenizer = bart(case)
    inputs = tokenizer([case["text"]], max_length=1024, truncation=True, return_tensors="pt")
    ids = model.generate(inputs["input_ids"], num_beams=2, min_length=0, max_length=20)
    texts = tokenizer.batch_decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return Outcome(texts[0], [case["expected"]])


def reply(case: Case) -> Outcome:
    """What a Blenderbot says; where a case names options, they are the checkpoint's own."""
    tokenizer = AutoTokenizer.from_pretrained(case["model"])
    model = BlenderbotForConditionalGeneration.from_pretrained(case["model"])
    ids = model.generate(**tokenizer([case["text"]], return_tensors="pt"))
    return Outcome(tokenizer.batch_decode(ids, skip_special_tokens=True)[0], [case["expected"]])


def reply_of_3b(case: Case) -> Outcome:
    """In half precision on a GPU, as published; in float32 elsewhere, which takes 11 GB."""
    on_gpu = torch.cuda.is_available()
    tokenizer = AutoTokenizer.from_pretrained(case["model"])
    model = BlenderbotForConditionalGeneration.from_pretrained(
        case["model"], dtype=torch.float16 if on_gpu else torch.float32, device="cuda" if on_gpu else "cpu"
    )
    batch = tokenizer([case["text"]], return_tensors="pt").to(model.device)
    ids = model.generate(**batch, num_beams=1, early_stopping=True, min_length=15, max_length=25)
    text = tokenizer.batch_decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=True)[0]
    return Outcome(text.strip(), [case["expected"]])


def small_reply(case: Case, **options: Any) -> Outcome:
    """What a Blenderbot-Small says; of several published answers, which differ by precision, any."""
    tokenizer = AutoTokenizer.from_pretrained(case["model"])
    model = BlenderbotSmallForConditionalGeneration.from_pretrained(case["model"])
    ids = model.generate(**tokenizer([case["text"]], return_tensors="pt"), **options)
    text = tokenizer.batch_decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=True)[0]
    return Outcome(text, case["expected"] if isinstance(case["expected"], list) else [case["expected"]])


def small_reply_of_a_pipeline(case: Case) -> Outcome:
    """The pipeline's layout is the chat template's; its `max_length` is more than there are positions."""
    tokenizer = AutoTokenizer.from_pretrained(case["model"])
    model = BlenderbotSmallForConditionalGeneration.from_pretrained(case["model"])
    turns = [{"role": "user", "content": case["text"]}]
    batch = tokenizer.apply_chat_template(turns, return_tensors="pt", return_dict=True)
    ids = model.generate(**batch, do_sample=False, max_length=1000)
    return Outcome(tokenizer.decode(ids[0], skip_special_tokens=True), [case["expected"]])


def top_five(case: Case) -> Outcome:
    """The likeliest words in the place of the mask, as the documented example and as the pipeline shows them."""
    model, tokenizer = bart(case)
    input_ids = tokenizer([case["text"]], return_tensors="pt")["input_ids"]
    with torch.no_grad():
        logits = model(input_ids).logits
    masked_index = (input_ids[0] == tokenizer.mask_token_id).nonzero().item()
    _, predictions = logits[0, masked_index].softmax(dim=0).topk(5)
    if "pipeline" in case["params"]:
        return Outcome([tokenizer.decode([token]) for token in predictions.tolist()], [case["expected"]])
    return Outcome(tokenizer.decode(predictions).split(), [case["expected"]])


def tokens_as_ctranslate2(case: Case) -> Outcome:
    """Two beams, no other rule, and stopping as soon as two have ended: that library's defaults."""
    model, tokenizer = bart(case)
    ids = torch.tensor([tokenizer.convert_tokens_to_ids(case["text"].split())])
    options = {"num_beams": 2, "no_repeat_ngram_size": 0, "early_stopping": True, "max_new_tokens": 256}
    written = model.generate(ids, forced_bos_token_id=0, **options)[0].tolist()
    start, end = model.config.decoder_start_token_id, model.config.eos_token_id
    tokens = tokenizer.convert_ids_to_tokens(written[written[0] == start : -1 if written[-1] == end else None])
    return Outcome(" ".join(tokens), [case["expected"]])


def padded_prompt(case: Case) -> Outcome:
    model, tokenizer = bart(case, forced_bos_token_id=0)
    decoder_input_ids = torch.tensor([[2, 1, 1, 1, 0]])
    ids = model.generate(
        input_ids=tokenizer(case["text"], return_tensors="pt").input_ids,
        use_cache=False,
        max_new_tokens=20,
        decoder_input_ids=decoder_input_ids,
        decoder_attention_mask=torch.where(decoder_input_ids == 1, 0, 1),
    )
    return Outcome(tokenizer.batch_decode(ids)[0], [case["expected"]])


def filled_as_fairseq(case: Case) -> Outcome:
    """fairseq's fill_mask: bos is written, but its probability counts, and an answer is no longer than its source."""
    name = "facebook/bart-base"
    tokenizer = BartTokenizer.from_pretrained(name)
    model = BartForConditionalGeneration.from_pretrained(name, forced_bos_token_id=None)
    input_ids = tokenizer(case["text"], return_tensors="pt").input_ids
    every = list(range(model.config.vocab_size))
    output = model.generate(
        input_ids,
        num_beams=10,
        num_return_sequences=3,
        no_repeat_ngram_size=0,
        max_length=input_ids.shape[1] + 2,
        prefix_allowed_tokens_fn=lambda row, ids: [0] if len(ids) == 1 else every,
        return_dict_in_generate=True,
        output_scores=True,
    )
    texts = tokenizer.batch_decode(output.sequences, skip_special_tokens=True)
    pairs = list(zip(texts, output.sequences_scores.tolist(), strict=True))
    if texts == [text for text, _ in case["expected"]]:
        return Outcome([score for _, score in pairs], [[score for _, score in case["expected"]]], tolerance=1e-3)
    return Outcome([list(pair) for pair in pairs], [case["expected"]])


def states(case: Case) -> Outcome:
    model = BartModel.from_pretrained(case["model"])
    input_ids = torch.tensor(case["input_ids"])
    with torch.no_grad():
        output = model(input_ids=input_ids, attention_mask=input_ids.ne(model.config.pad_token_id))[0]
    assert output.shape == (1, 11, model.config.d_model)
    return Outcome(output[0, :3, :3].numpy(), [case["expected_last_hidden_slice"]], tolerance=1e-3)


def labels(case: Case) -> Outcome:
    model = BartForSequenceClassification.from_pretrained(case["model"])
    input_ids = torch.tensor(case["input_ids"])
    with torch.no_grad():
        logits = model(input_ids=input_ids, attention_mask=input_ids.ne(model.config.pad_token_id)).logits
    assert logits.shape == (2, 3)
    return Outcome(logits[0].numpy(), [case["expected_logits_row0"]], tolerance=case["atol"])


def encoded(case: Case) -> Outcome:
    """The case does not say which articles: it must be one of those in the other cases."""
    model, tokenizer = bart(case)
    texts = [each["text"] for each in read_cases() if "text" in each]
    wanted = np.array(case["expected_encoder_slice"])
    found = []
    for article in dict.fromkeys(text for text in texts if len(text) > LONGEST_REMARK):
        batch = tokenizer([article], truncation=True, max_length=1024, return_tensors="pt")
        with torch.no_grad():
            found.append(model.get_encoder()(**batch).last_hidden_state[0, :3, :3].numpy())
    return Outcome(min(found, key=lambda each: float(abs(each - wanted).max())), [wanted], tolerance=1e-3)


KINDS: tuple[tuple[dict[str, str], Callable[[Case], Outcome]], ...] = (
    ({"source": "same_as_fairseq", "params": "num_beams=2, rest from config"}, summary_as_fairseq),
    ({"source": "same_as_fairseq_hard"}, summary_as_configured),
    ({"source": "test_xsum_summarization"}, xsum_as_fairseq),
    ({"source": "test_xsum_1_1"}, xsum_of_a_small_model),
    ({"source": "test_contrastive"}, contrastive),
    ({"source": "test_diverse_beam"}, diverse_beams),
    ({"source": "modeling_bart.py docstring", "model": "bart-large-cnn"}, documented_summary),
    ({"model": "blenderbot-400M"}, reply),
    ({"model": "blenderbot-3B"}, reply_of_3b),
    ({"source": "modeling_blenderbot_small.py docstring"}, small_reply),
    ({"model": "blenderbot-90M"}, small_reply),
    ({"model": "blenderbot_small", "params": "num_beams=2"}, lambda case: small_reply(case, num_beams=2)),
    ({"model": "blenderbot_small", "source": "conversational"}, small_reply_of_a_pipeline),
    ({"params": "top-5"}, top_five),
    ({"source": "CTranslate2"}, tokens_as_ctranslate2),
    ({"source": "test_decoder_attention_mask"}, padded_prompt),
    ({"model": "fairseq"}, filled_as_fairseq),
    ({"source": "test_inference_no_head"}, states),
    ({"source": "test_mnli"}, labels),
    ({"source": "test_encoder_equiv"}, encoded),
)
"""Each kind by a part of what its cases say."""
