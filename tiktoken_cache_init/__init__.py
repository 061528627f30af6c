"""Program that fills a directory with byte-exact tiktoken vocabularies, under the names that consumers look for."""

__version__ = "0.1.0"
REPOSITORY = "OWNER/tiktoken-cache-init"
"""The project on GitHub. `make address OWNER=...` changes the account, here and on all pages."""
REPORT_TO = f"https://github.com/{REPOSITORY}/issues"
"""Where to report a bug."""
