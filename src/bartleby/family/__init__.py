"""What the family is: configuration, switches, parameters, masks and a NumPy definition of the model."""
