"""The family in Keras 3 on TensorFlow."""
