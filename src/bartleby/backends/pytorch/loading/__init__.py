"""From a checkpoint, or from nothing, to a model whose weights lie where they are wanted."""
