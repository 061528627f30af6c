"""Measures the cost of filling a volume, compared with two shell recipes: `python -m benchmarks`."""
