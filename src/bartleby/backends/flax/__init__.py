"""The family in Flax (linen): pure functions of parameters, for `jit`, `grad`, `vmap` and many devices."""
