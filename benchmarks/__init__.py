"""What filling a volume costs, beside what people do instead: `python -m benchmarks` (see `benchmarks.__main__`)."""
