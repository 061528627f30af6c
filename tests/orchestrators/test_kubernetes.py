"""The Kubernetes manifests: on a real cluster, and for older versions with their schemas."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from tests.docs.markdown import blocks
from tests.machine import needs
from tests.orchestrators.cluster import GATEWAY, KUBERNETES, OURS, Cluster, Namespace
from tests.orchestrators.running import run, wait_for
from tiktoken_cache_init.catalogue import VOCABULARIES

WITH_MANIFESTS = [*KUBERNETES.glob("*/gateway*.yaml"), *KUBERNETES.glob("fleet/[cj]*.yaml")]

[COMMANDS] = blocks("docs/kubernetes")
FLEET = COMMANDS.replace("--timeout=5m", "--timeout=60s")
"""Commands that run the Job and start the fleet."""


@pytest.mark.parametrize("path", WITH_MANIFESTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_manifest_is_valid_in_the_versions_before_the_clusters(path: Path) -> None:
    for minor in range(33 if path.parent.name == "image-volume" else 26, 36):
        for manifest in yaml.safe_load_all(path.read_text()):
            # For an unknown version, the validator uses the previous one.
            assert kubernetes_validate.validate(manifest, f"1.{minor}", strict=True) == f"1.{minor}"


@pytest.fixture(scope="module")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """Provide the cluster that KUBECONFIG names, with the images on its nodes."""
    # Without a cluster, skip before an image is built.
    needs("cluster")
    cluster = Cluster()
    try:
        cluster.start(request.getfixturevalue("image"), request.getfixturevalue("gateway_image"))
        yield cluster
    finally:
        cluster.clear()


@pytest.fixture
def namespace(cluster: Cluster, tmp_path: Path) -> Iterator[Namespace]:
    """Make a namespace, and remove it at the end."""
    namespace = Namespace(cluster, tmp_path)
    yield namespace
    namespace.clear()


def test_the_namespaces_of_the_tests_enforce_the_restricted_standard(namespace: Namespace) -> None:
    refused = namespace("run", "x", "--image=x", "--dry-run=server", check=False)
    assert "violates PodSecurity" in refused.stdout


@pytest.mark.parametrize("directory", ["init-container", "image-volume"])
def test_a_directory_starts_a_gateway(directory: str, namespace: Namespace) -> None:
    version = json.loads(namespace("version", "--output=json").stdout)["serverVersion"]
    if directory == "image-volume" and int(version["minor"].rstrip("+")) < 35:
        pytest.skip("image volumes are on by default from Kubernetes 1.35")
    namespace.volume("new-api-data")
    namespace.apply(directory)
    namespace.await_ready("new-api")
    assert '"success":true' in namespace.answer("new-api")


APP = f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: new-api}}
spec:
  selector: {{matchLabels: {{app: new-api}}}}
  template:
    metadata: {{labels: {{app: new-api}}}}
    spec:
      securityContext: {{runAsNonRoot: true, runAsUser: 1000, seccompProfile: {{type: RuntimeDefault}}}}
      containers:
        - name: new-api
          image: {GATEWAY}
          securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}
"""
"""Deployment of a user that already fits the restricted standard."""


def test_the_component_adds_the_init_container_to_a_deployment(namespace: Namespace) -> None:
    # As the first lines of the component say.
    kustomization = {"resources": ["deployment.yaml"], "components": ["component"]}
    (namespace.manifests / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    (namespace.manifests / "deployment.yaml").write_text(APP.replace("- name: new-api", "- name: app"))
    assert "containers[0].image: Required value" in namespace.apply(".", check=False).stdout
    namespace.change("deployment.yaml", "- name: app", "- name: new-api")
    namespace.apply(".")
    namespace.await_ready("new-api")


CHART = (
    APP.replace(
        "      containers:", "      initContainers: {{ toJson .Values.extraInitContainers }}\n      containers:"
    )
    + """\
          env: {{ toJson .Values.extraEnvVars }}
          volumeMounts: {{ toJson (.Values.extraVolumeMounts | default .Values.volumeMounts.container) }}
      volumes: {{ toJson (.Values.extraVolumes | default .Values.volumes) }}
"""
)
"""Template of a chart, under the names of most charts and of Open WebUI's chart."""


@pytest.mark.parametrize("values", ["values.yaml", "values-open-webui.yaml"])
def test_a_chart_takes_the_values(values: str, namespace: Namespace) -> None:
    if not shutil.which("helm"):
        pytest.skip("the values of a chart need helm: install it")
    # Open WebUI needs one encoding. The gateway stand-in needs two.
    namespace.change(f"helm/{values}", "value: cl100k_base", "value: cl100k_base,o200k_base #")
    chart = namespace.directory / "chart"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("{apiVersion: v2, name: app, version: 1.0.0}")
    (chart / "values.yaml").write_text("{volumeMounts: {container: []}}")
    (chart / "templates" / "app.yaml").write_text(CHART)
    made = run("helm", "template", "app", chart, "--values", namespace.manifests / "helm" / values)
    namespace("apply", "--filename", "-", given=made.stdout)
    namespace.await_ready("new-api")


def test_a_pod_that_does_not_start_is_described(namespace: Namespace) -> None:
    namespace.volume("new-api-data")
    namespace.change("init-container/gateway.yaml", "value: cl100k_base,o200k_base", "value: cl100k_bse")
    namespace.apply("init-container")
    namespace.await_described("Exit Code:    2", "did you mean")
    # The image does not hold this vocabulary.
    private = f"http://127.0.0.1:9/private.tiktoken#sha256={'0' * 64}"
    added = f"\n            - {{name: TIKTOKEN_INIT_EXTRA, value: {private!r}}}"
    added += "\n            - {name: TIKTOKEN_INIT_ORIGIN, value: 'off'}"
    namespace.change("init-container/gateway.yaml", "value: cl100k_bse", f"value: cl100k_base{added}")
    namespace.apply("init-container")
    namespace.await_described("Exit Code:    4", "private.tiktoken")


def test_a_quota_on_limits_is_described(namespace: Namespace) -> None:
    namespace("create", "quota", "quota", "--hard=limits.cpu=4")
    namespace.apply("init-container")
    wait_for("must specify limits.cpu for: new-api,tiktoken-init", lambda: namespace("get", "events").stdout)


def with_a_secret(namespace: Namespace) -> Namespace:
    namespace("create", "secret", "generic", "new-api", "--from-literal=SQL_DSN=x", "--from-literal=SESSION_SECRET=y")
    return namespace


@pytest.mark.parametrize("owner", [1234, 0])
def test_a_job_on_a_volume_that_ignores_the_group_runs_as_the_owner(owner: int, namespace: Namespace) -> None:
    path = with_a_secret(namespace).volume("tiktoken", kind="hostPath")
    namespace.cluster.storage(f"chown {owner}:{owner} {path}")
    namespace.apply("fleet", "--selector=app.kubernetes.io/name=tiktoken-cache-init")
    namespace.await_described("cannot write in /tiktoken: Permission denied", "Exit Code:    3", f"runAsUser: {owner}")
    for field in ("runAsUser", "runAsGroup"):
        namespace.change("fleet/job.yaml", f"{field}: 65532", f"{field}: {owner}")
    if not owner:
        namespace.change("fleet/job.yaml", "        runAsNonRoot: true\n", "")
        namespace("label", "--overwrite", "namespace", namespace.name, "pod-security.kubernetes.io/enforce=baseline")
    namespace.shell(FLEET)


def test_a_fleet_waits_for_the_job_which_heals_damage_and_upgrades_while_gateways_run(namespace: Namespace) -> None:
    path = with_a_secret(namespace).volume("tiktoken")
    # A rollout replaces one gateway at a time.
    namespace.change("fleet/gateways.yaml", "replicas: 3", "replicas: 2")

    # The gateways come first, and mount the volume before the Job does.
    namespace.change("fleet/kustomization.yaml", "  - job.yaml\n", "")
    namespace.apply("fleet")
    namespace.await_described("not ready", "Exit Code:    1", "run the Job")
    namespace.change("fleet/kustomization.yaml", "  - claim.yaml\n", "  - claim.yaml\n  - job.yaml\n")
    namespace.shell(FLEET)
    namespace("rollout", "restart", "deployment/new-api-fleet")
    namespace.await_ready("new-api-fleet")
    assert '"success":true' in namespace.answer("new-api-fleet")

    namespace.cluster.storage(f"echo '<html>' >{path}/{VOCABULARIES[0].cache_key}")
    namespace("rollout", "restart", "deployment/new-api-fleet")
    namespace.await_described("not ready", "Exit Code:    1")
    # The new pod does not replace a gateway until it is ready.
    assert namespace("get", "deployment/new-api-fleet", "-o=jsonpath={.status.availableReplicas}").stdout == "2"
    namespace.shell(FLEET)
    assert "replaced from baked" in namespace("logs", "job/tiktoken-init").stdout

    namespace.change("fleet/kustomization.yaml", 'newTag: "1"', 'newTag: "2"')
    watch = ["timeout", "120", "kubectl", "get", "deployment/new-api-fleet", "--watch"]
    watch.append("-o=jsonpath={.status.availableReplicas} ")
    with subprocess.Popen(watch, env=os.environ | namespace.variables, stdout=subprocess.PIPE, text=True) as available:
        namespace.shell(FLEET)
        namespace.await_ready("new-api-fleet")
        available.terminate()
        assert min(map(int, available.communicate()[0].split())) == 2
    assert "already right" in namespace("logs", "job/tiktoken-init").stdout
    images = namespace("get", "pods", "-o=jsonpath={..initContainers[*].image}").stdout.split()
    assert f"{OURS}:2" in images
