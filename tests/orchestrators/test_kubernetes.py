"""Checks of the Kubernetes manifests with the schemas of each claimed version, and with Kubernetes' own code."""

from __future__ import annotations

import copy
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import kubernetes_validate  # type: ignore[import-untyped]
import pytest

from tests.containers.engine import ROOT
from tests.orchestrators import fleet
from tests.orchestrators.build import kubernetes_program
from tests.orchestrators.manifests import (
    KUBERNETES,
    MANIFESTS,
    RESTRICTED,
    VALUES,
    Manifest,
    claimed,
    pod_spec,
    read,
    with_values,
    written,
)
from tests.orchestrators.running import Done, run

ALL = {path: read(path) for path in MANIFESTS} | {path: [with_values(path)] for path in VALUES}
"""File -> its manifests, or those that a chart makes from it."""

PODS = {path: manifests for path, manifests in ALL.items() if any(pod_spec(manifest) for manifest in manifests)}


def name_of(path: Path) -> str:
    return str(path.relative_to(KUBERNETES))


LINK = "../deploy/kubernetes"

each_file = pytest.mark.parametrize("path", ALL, ids=name_of)
each_file_with_a_pod = pytest.mark.parametrize("path", PODS, ids=name_of)


def validate(manifests: list[Manifest], version: str) -> None:
    for manifest in manifests:
        # For an unknown version, the validator uses the previous one.
        assert kubernetes_validate.validate(manifest, version, strict=True) == version


def restricted(manifests: list[Manifest], version: str) -> Done:
    return run(kubernetes_program(), "restricted", f"v{version}", check=False, given=written(manifests))


def test_every_file_is_checked() -> None:
    others = set(KUBERNETES.rglob("*.yaml")) - set(ALL)
    assert {path.name for path in others} == {"kustomization.yaml"}


@each_file
def test_a_manifest_is_valid_in_every_version_that_it_claims(path: Path) -> None:
    for version in claimed(path):
        validate(ALL[path], version)


@each_file
def test_the_document_claims_the_same_versions(path: Path) -> None:
    [row] = [
        line
        for line in (ROOT / "docs" / "kubernetes.md").read_text().splitlines()
        if f"({LINK}/{path.parent.name})" in line
    ]
    assert row.endswith(f"| {claimed(path)[0]} to {claimed(path)[-1]} |")


def test_every_manifest_names_the_image_of_this_version() -> None:
    version = run(sys.executable, ROOT / "entrypoint.py", "--version").stdout.split()[-1]
    for path in (*ALL, KUBERNETES / "component" / "kustomization.yaml"):
        named = re.findall(r"^ *(?:- )?(?:image|reference): tiktoken-cache-init(\S*)", path.read_text(), re.MULTILINE)
        assert set(named) <= {f":{version}"}, path
    tags = [re.findall(r"newTag: (.*)", path.read_text()) for path in KUBERNETES.rglob("kustomization.yaml")]
    assert {tag for found in tags for tag in found} == {version}


def test_the_document_has_the_costs_of_a_fleet() -> None:
    assert fleet.documented() == fleet.table(), "run: python -m tests.orchestrators.fleet"


def test_an_image_volume_is_unknown_before_1_31() -> None:
    path = KUBERNETES / "image-volume" / "gateway.yaml"
    # The schemas do not say that its subPath is allowed only from 1.33 on.
    assert claimed(path)[0] == "1.33"
    validate(ALL[path], "1.31")
    with pytest.raises(kubernetes_validate.ValidationError, match="'image' was unexpected"):
        validate(ALL[path], "1.30")


Find = Callable[[Manifest], Manifest]

PLACES: dict[str, Find] = {
    "manifest": lambda manifest: manifest,
    "pod": lambda manifest: pod_spec(manifest) or {},
    "pod's security context": lambda manifest: (pod_spec(manifest) or {})["securityContext"],
    "container": lambda manifest: (pod_spec(manifest) or {})["containers"][0],
    "container's mount": lambda manifest: (pod_spec(manifest) or {})["containers"][0]["volumeMounts"][0],
    "volume": lambda manifest: (pod_spec(manifest) or {})["volumes"][0],
}


@pytest.mark.parametrize("place", PLACES)
@each_file_with_a_pod
def test_an_unknown_field_is_refused(path: Path, place: str) -> None:
    [manifest] = [copy.deepcopy(manifest) for manifest in PODS[path] if pod_spec(manifest)]
    PLACES[place](manifest)["unheardOf"] = "x"
    with pytest.raises(kubernetes_validate.ValidationError, match="'unheardOf' was unexpected"):
        validate([manifest], claimed(path)[-1])


@each_file_with_a_pod
def test_each_pod_fits_the_restricted_standard(path: Path) -> None:
    for version in (claimed(path)[0], claimed(path)[-1]):
        done = restricted(PODS[path], version)
        assert done.returncode == 0, done.stdout
        assert done.stdout.count(": allowed\n") == 1


REMOVED = {
    "allowPrivilegeEscalation": "allowPrivilegeEscalation != false",
    "capabilities": "unrestricted capabilities",
    "runAsNonRoot": "runAsNonRoot != true",
    "seccompProfile": "seccompProfile",
}
"""Field of a security context -> error of the standard if no context of the pod has it."""


@pytest.mark.parametrize("field", REMOVED)
def test_the_restricted_standard_refuses_a_missing_field(field: str) -> None:
    [manifest] = [copy.deepcopy(manifest) for manifest in ALL[MANIFESTS[0]] if pod_spec(manifest)]
    spec = pod_spec(manifest) or {}
    for part in (spec, *spec["initContainers"], *spec["containers"]):
        part["securityContext"].pop(field, None)
    done = restricted([manifest], "1.37")
    assert done.returncode == 1
    assert REMOVED[field] in done.stdout


def test_a_manifest_without_a_pod_is_an_error() -> None:
    [claim] = read(KUBERNETES / "fleet" / "claim.yaml")
    assert restricted([claim], "1.37").returncode == 1


def build(directory: Path) -> list[Manifest]:
    target = directory / "built.yaml"
    target.write_text(run(kubernetes_program(), "build", directory).stdout)
    return read(target)


def named(manifests: list[Manifest]) -> dict[str, Manifest]:
    return {f"{manifest['kind']} {manifest['metadata']['name']}": manifest for manifest in manifests}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Copy the manifests to a directory where a test may change them."""
    return shutil.copytree(KUBERNETES, tmp_path / "kubernetes")


@pytest.mark.parametrize("kind", ["init-container", "fleet", "image-volume"])
def test_a_kustomization_builds_the_manifests_next_to_it(kind: str, tree: Path) -> None:
    beside = [manifest for path in MANIFESTS if path.parent.name == kind for manifest in read(path)]
    assert named(build(tree / kind)) == named(beside)


@pytest.mark.parametrize("kind", ["init-container", "fleet", "image-volume"])
def test_a_kustomization_renames_the_image_as_its_comment_says(kind: str, tree: Path) -> None:
    file = tree / kind / "kustomization.yaml"
    before, _, comment = file.read_text().partition("\n# Remove the # from these lines")
    uncommented = "\n".join(line.removeprefix("# ") for line in comment.splitlines()[1:])
    file.write_text(f"{before}\n{uncommented}\n")
    built = written(build(tree / kind))
    assert re.search("registry.example/tiktoken-cache-init(:0.1.0|@sha256:)", built)
    assert ": tiktoken-cache-init" not in built.replace("name: tiktoken-cache-init", "")


def test_the_component_cannot_be_applied_alone(tree: Path) -> None:
    assert run(kubernetes_program(), "build", tree / "component", check=False).returncode == 1


def test_the_fleet_has_a_service_for_its_gateways() -> None:
    [service] = [manifest for manifest in read(KUBERNETES / "fleet" / "gateways.yaml") if manifest["kind"] == "Service"]
    [deployment] = [manifest for manifest in read(KUBERNETES / "fleet" / "gateways.yaml") if pod_spec(manifest)]
    assert service["spec"]["selector"] == deployment["spec"]["template"]["metadata"]["labels"]


def test_the_component_adds_the_init_container_to_a_deployment(tree: Path) -> None:
    spec = copy.deepcopy(RESTRICTED)
    spec["containers"][0]["name"] = "new-api"
    template = {"metadata": {"labels": {"app": "new-api"}}, "spec": spec}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "new-api"},
        "spec": {"selector": {"matchLabels": {"app": "new-api"}}, "template": template},
    }
    (tree / "deployment.yaml").write_text(written([deployment]))
    (tree / "kustomization.yaml").write_text(written([{"resources": ["deployment.yaml"], "components": ["component"]}]))
    [built] = build(tree)
    validate([built], "1.26")
    validate([built], "1.37")
    assert restricted([built], "1.37").returncode == 0
    added = pod_spec(built) or {}
    assert added["initContainers"] == with_values(VALUES[0])["spec"]["initContainers"]
    assert added["volumes"] == with_values(VALUES[0])["spec"]["volumes"]
    [app] = added["containers"]
    assert app["volumeMounts"] == [{"name": "tiktoken", "mountPath": "/tiktoken", "readOnly": True}]
    assert app["env"] == [{"name": "TIKTOKEN_CACHE_DIR", "value": "/tiktoken"}]
