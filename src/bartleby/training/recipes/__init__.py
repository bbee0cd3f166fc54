"""The kinds of training, one module each."""
