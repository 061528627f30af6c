"""Kubernetes manifests: reading them, and taking them apart."""

from __future__ import annotations

import copy
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


def as_pod(manifest: Manifest) -> Manifest:
    """Return the pod of a Deployment as a separate pod, which is not restarted if it fails.

    podman before 4.6 restarts init containers without end if the policy of a pod is Always.
    """
    template = copy.deepcopy(manifest["spec"]["template"])
    metadata = {"name": manifest["metadata"]["name"], **template["metadata"]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {**template["spec"], "restartPolicy": "Never"},
    }
