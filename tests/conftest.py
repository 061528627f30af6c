"""Fixtures for every test."""

from tests.consumers.build import gateway_image_context, gateway_program
from tests.vocabularies import vocabularies

__all__ = ["gateway_image_context", "gateway_program", "vocabularies"]
