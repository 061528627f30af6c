"""Fixtures for every test."""

from tests.vocabularies import vocabularies

__all__ = ["vocabularies"]
