"""Kubernetes manifests: reading them, taking them apart, and building pods as charts do."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import yaml

from tests.containers.engine import ROOT

KUBERNETES = ROOT / "deploy" / "kubernetes"

Manifest = dict[str, Any]

MANIFESTS = (
    KUBERNETES / "init-container" / "gateway.yaml",
    KUBERNETES / "fleet" / "claim.yaml",
    KUBERNETES / "fleet" / "job.yaml",
    KUBERNETES / "fleet" / "gateways.yaml",
    KUBERNETES / "image-volume" / "gateway.yaml",
)
VALUES = (KUBERNETES / "helm" / "values.yaml", KUBERNETES / "helm" / "values-open-webui.yaml")

RESTRICTED: Manifest = {
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}, "runAsUser": 1000},
    "containers": [
        {
            "name": "app",
            "image": "app",
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }
    ],
}
"""Pod of a chart that already fits the restricted standard."""


def read(path: Path) -> list[Manifest]:
    """Return the manifests in a file."""
    return list(yaml.safe_load_all(path.read_text()))


def written(manifests: list[Manifest]) -> str:
    """Return manifests as YAML."""
    text: str = yaml.safe_dump_all(manifests)
    return text


def claimed(path: Path) -> list[str]:
    """Return the versions of Kubernetes that a file claims to support."""
    found = re.search(r"^# .*Kubernetes 1\.(\d+) to 1\.(\d+)", path.read_text(), re.MULTILINE)
    assert found, f"{path} does not say which versions of Kubernetes it is for"
    return [f"1.{minor}" for minor in range(int(found[1]), int(found[2]) + 1)]


def with_values(path: Path) -> Manifest:
    """Return the pod that a chart makes from its values."""
    [values] = read(path)
    spec = copy.deepcopy(RESTRICTED)
    spec["initContainers"] = values["extraInitContainers"]
    spec["volumes"] = values.get("extraVolumes") or values["volumes"]
    [app] = spec["containers"]
    app["volumeMounts"] = values.get("extraVolumeMounts") or values["volumeMounts"]["container"]
    app["env"] = values["extraEnvVars"]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "app"}, "spec": spec}


def as_pod(manifest: Manifest) -> Manifest:
    """Return the pod of a Deployment or a Job as a separate pod, which is not restarted if it fails.

    podman before 4.6 does not support Jobs, and restarts init containers without end if the policy of a pod is Always.
    """
    template = copy.deepcopy(manifest["spec"]["template"])
    metadata = {"name": manifest["metadata"]["name"], **template["metadata"]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {**template["spec"], "restartPolicy": "Never"},
    }


def pod_spec(manifest: Manifest) -> Manifest | None:
    """Return the specification of the pod in a manifest, or None."""
    spec: Manifest = manifest["spec"]
    if manifest["kind"] == "Pod":
        return spec
    found: Manifest | None = spec.get("template", {}).get("spec")
    return found
