"""Fills a volume with byte-exact tiktoken vocabulary files under the names their consumers look for."""

__version__ = "0.1.0"
