"""What a run measures of its model on the way, by the kind of what is taught: a `Setup`'s `measure`."""
