"""Measures what filling a volume costs, beside two shell recipes: `python -m benchmarks` (see `benchmarks.__main__`)."""
