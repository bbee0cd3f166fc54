"""How the compiled searches of generation/compiled run on TensorFlow."""
