"""Program that fills a directory with byte-exact tiktoken vocabularies, under the names that consumers look for."""

__version__ = "0.1.0"
