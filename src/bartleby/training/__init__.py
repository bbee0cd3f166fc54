"""Training: from texts to a checkpoint that can be shipped. Read it in the order in which a run goes through it.

run         run.py is a run, runs.py its folder; cadence.py says when it saves and measures, journal.py writes its log,
            stages.py knows the runs before it, pace.py how many steps it takes
recipe      recipes/: one file a kind of training, and recipe.py, which says what that is; start.py makes the model and
            tokenizer, with lora.py (adapter_files.py: on disk), freezing.py, lengthening.py, shrinking.py (a teacher to
            a student), vocabulary.py. options.py declares options; settings.py has those of the steps
examples    corpora.py finds files, formats.py reads them, records.py gives their values a shape; recipes/examples.py
            makes rows of them, which store.py keeps; pseudo_labels.py lets a teacher write the targets
batches     batches.py numbers them, collation.py pads them; for pretraining blocks.py makes texts of one length and
            denoising.py spoils them, with noise.py over the words that lexicon.py knows
objective   objectives/: what a batch costs a model, one module each; validation/: what is measured of it; modes.py
trainer     trainer.py takes the steps, with optimizers.py, schedules.py, averages.py, devices.py; placement.py and
            sharding.py put weights where they belong, refusals.py and memory.py tell beforehand what cannot be
checkpoint  runs.py again: what is whole has its name, so a kill leaves the checkpoint before
export      export.py ships one, model_card.py tells of it, attributions.py whom its texts are owed to
"""
