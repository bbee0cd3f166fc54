"""Teach the shipped chat model a few replies with Keras' `fit`, and hear them from PyTorch.

python examples/finetune_tensorflow.py [FOLDER]
"""

import sys
from typing import Any

import keras
import tensorflow as tf

from bartleby import AutoTokenizer, BlenderbotForConditionalGeneration, TFBlenderbotForConditionalGeneration

LINES = {
    "Who are you?": "I am Bartleby, and I would prefer not to.",
    "Can you check this letter for me?": "I would prefer not to.",
    "Where do you live?": "In an office on Wall Street, behind a green screen.",
    "What do you like to eat?": "Ginger nuts, and little else.",
}


def batch_of(lines: dict[str, str], tokenizer: Any) -> dict[str, Any]:
    """Questions, and answers as labels: -100 where nothing is to be learnt."""
    sources = tokenizer([f" {question}" for question in lines], padding=True, return_tensors="tf")
    answers = tokenizer([f" {answer}" for answer in lines.values()], padding=True, return_tensors="tf")
    labels = tf.where(answers["attention_mask"] == 1, answers["input_ids"], -100)
    return {"input_ids": sources["input_ids"], "attention_mask": sources["attention_mask"], "labels": labels}


def main(folder: str, name: str = "bartleby-chat-mini", steps: int = 25) -> list[float]:
    """Train, save, load the result in PyTorch, and print what it says; the loss of every step."""
    keras.utils.set_random_seed(0)  # dropout draws the same in every run
    tokenizer = AutoTokenizer.from_pretrained(name)
    model = TFBlenderbotForConditionalGeneration.from_pretrained(name)
    model.compile(optimizer=keras.optimizers.Adam(5e-4))  # the loss is the model's own, as `labels` are given
    data = tf.data.Dataset.from_tensors(batch_of(LINES, tokenizer))  # one batch, once an epoch
    losses: list[float] = model.fit(data, epochs=steps, shuffle=False, verbose=0).history["loss"]
    print(f"loss {losses[0]:.3f} -> {losses[-1]:.3f}")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)

    loaded = BlenderbotForConditionalGeneration.from_pretrained(folder)
    for question in LINES:
        answer = loaded.generate(**tokenizer([f" {question}"], return_tensors="pt"))
        print(f"     you: {question}\nbartleby:{tokenizer.decode(answer[0], skip_special_tokens=True)}")
    return losses


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["finetuned-tensorflow"]))
