"""Figures of a model on held-out texts, one module a task, and what simple means reach on the same texts."""
