"""The searches in arrays of fixed shape, so that frameworks can compile them; written once over a few array operations.

They must equal generation/search.py token by token, and are earned by benchmarks/wings.py: what is compiled runs a
whole search without asking its host anything.
"""
