"""Program that fills a directory with byte-exact tiktoken vocabularies, under the names that consumers look for."""

__version__ = "0.1.0"
REPORT_TO = "the project that published it"
"""Where to report a bug. A release writes the address of its issue tracker here."""
