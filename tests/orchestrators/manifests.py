"""Kubernetes manifests: reading and writing them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tests.containers.engine import ROOT

KUBERNETES = ROOT / "deploy" / "kubernetes"

Manifest = dict[str, Any]


def read(path: Path) -> list[Manifest]:
    """Return the manifests in a file."""
    return list(yaml.safe_load_all(path.read_text()))


def written(manifests: list[Manifest]) -> str:
    """Return manifests as YAML."""
    text: str = yaml.safe_dump_all(manifests)
    return text
