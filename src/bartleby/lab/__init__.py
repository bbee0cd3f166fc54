"""The package measuring itself."""
