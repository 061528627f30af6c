"""Fixtures for every test."""

from __future__ import annotations

import os

from hypothesis import settings

from tests.consumers.build import gateway_image_context, gateway_program
from tests.vocabularies import vocabularies

__all__ = ["gateway_image_context", "gateway_program", "vocabularies"]

# The same examples in every CI run, so that a red one is the change's doing; at a desk they go on searching.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")
