"""The Kubernetes manifests: on a real cluster, and for older versions with their schemas."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import kubernetes_validate  # type: ignore[import-untyped]
import pytest

from tests.orchestrators.cluster import GATEWAY, OURS, Cluster, Namespace, running_namespace
from tests.orchestrators.manifests import KUBERNETES, read, written
from tests.orchestrators.running import documented, run, wait_for
from tiktoken_cache_init import __version__
from tiktoken_cache_init.catalogue import VOCABULARIES

WITH_MANIFESTS = [*KUBERNETES.glob("*/gateway*.yaml"), *KUBERNETES.glob("fleet/[cj]*.yaml")]

FILL = documented("kubernetes.md", "## The fleet").replace("--timeout=5m", "--timeout=60s")
"""Commands that run the Job and start the fleet."""


@pytest.mark.parametrize("path", WITH_MANIFESTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_manifest_is_valid_in_the_versions_before_the_clusters(path: Path) -> None:
    for minor in range(33 if path.parent.name == "image-volume" else 26, 36):
        for manifest in read(path):
            # For an unknown version, the validator uses the previous one.
            assert kubernetes_validate.validate(manifest, f"1.{minor}", strict=True) == f"1.{minor}"


def test_the_manifests_name_the_image_of_this_version() -> None:
    text = "".join(path.read_text() for path in KUBERNETES.rglob("*.yaml"))
    assert set(re.findall(r"(?: tiktoken-cache-init:|newTag: )(.*)", text)) == {__version__}


@pytest.fixture
def namespace(cluster: Cluster, tmp_path: Path) -> Iterator[Namespace]:
    with running_namespace(cluster, tmp_path) as namespace:
        yield namespace


def test_the_namespaces_of_the_tests_enforce_the_restricted_standard(namespace: Namespace) -> None:
    refused = namespace("run", "x", "--image=x", "--dry-run=server", check=False)
    assert "violates PodSecurity" in refused.stdout


@pytest.mark.parametrize("directory", ["init-container", "image-volume"])
def test_a_directory_starts_a_gateway(directory: str, namespace: Namespace) -> None:
    if directory == "image-volume" and namespace.cluster.minor < 35:
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


def add_the_component(namespace: Namespace, container: str = "new-api") -> None:
    """Write a Deployment and a kustomization next to the component, as its first lines say."""
    (namespace.manifests / "deployment.yaml").write_text(APP.replace("- name: new-api", f"- name: {container}"))
    kustomization = {"resources": ["deployment.yaml"], "components": ["component"]}
    (namespace.manifests / "kustomization.yaml").write_text(written([kustomization]))


def test_the_component_adds_the_init_container_to_a_deployment(namespace: Namespace) -> None:
    add_the_component(namespace)
    namespace.apply(".")
    namespace.await_ready("new-api")


def test_the_component_with_a_wrong_container_name_is_refused(namespace: Namespace) -> None:
    add_the_component(namespace, container="app")
    assert "containers[0].image: Required value" in namespace.apply(".", check=False).stdout


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


FAILURES = {
    "a wrong setting": ("value: cl100k_bse", ("Exit Code:    2", "did you mean")),
    "a vocabulary that the image does not hold": (
        f"""value: cl100k_base
            - name: TIKTOKEN_INIT_EXTRA
              value: http://127.0.0.1:9/private.tiktoken#sha256={"0" * 64}
            - name: TIKTOKEN_INIT_ORIGIN
              value: "off"
""",
        ("Exit Code:    4", "private.tiktoken"),
    ),
}
"""Failure -> wrong lines of the init container, and texts in the description of its pod."""


@pytest.mark.parametrize("failure", FAILURES)
def test_a_pod_that_does_not_start_is_described(failure: str, namespace: Namespace) -> None:
    lines, described = FAILURES[failure]
    namespace.volume("new-api-data")
    namespace.change("init-container/gateway.yaml", "value: cl100k_base,o200k_base", lines)
    namespace.apply("init-container")
    namespace.await_described(*described)


def test_a_quota_on_limits_is_described(namespace: Namespace) -> None:
    namespace("create", "quota", "quota", "--hard=limits.cpu=4")
    namespace.apply("init-container")
    wait_for("must specify limits.cpu for: new-api,tiktoken-init", lambda: namespace("get", "events").stdout)


def with_a_secret(namespace: Namespace) -> Namespace:
    namespace("create", "secret", "generic", "new-api", "--from-literal=SQL_DSN=x", "--from-literal=SESSION_SECRET=y")
    return namespace


def test_gateways_that_mount_the_volume_first_wait_for_the_job(namespace: Namespace) -> None:
    with_a_secret(namespace).volume("tiktoken")
    namespace.change("fleet/kustomization.yaml", "  - job.yaml\n", "")
    namespace.apply("fleet")
    namespace.await_described("not ready", "Exit Code:    1", "run the Job")
    namespace.change("fleet/kustomization.yaml", "  - claim.yaml\n", "  - claim.yaml\n  - job.yaml\n")
    # Waits until the Job has succeeded.
    namespace.shell(FILL)


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
    namespace.shell(FILL)


@pytest.fixture(scope="module")
def fleet(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Namespace, str]]:
    """Start a fleet. Return its namespace and the path of its volume."""
    with running_namespace(cluster, tmp_path_factory.mktemp("fleet")) as namespace:
        path = with_a_secret(namespace).volume("tiktoken")
        # A rollout replaces one gateway at a time.
        namespace.change("fleet/gateways.yaml", "replicas: 3", "replicas: 2")
        namespace.shell(FILL)
        yield namespace, path


def test_the_job_heals_a_damaged_volume(fleet: tuple[Namespace, str]) -> None:
    namespace, path = fleet
    namespace.await_ready("new-api-fleet")
    assert '"success":true' in namespace.answer("new-api-fleet")
    file = f"{path}/{VOCABULARIES[0].cache_key}"
    namespace.cluster.storage(f"echo '<html>' >{file}")
    namespace("rollout", "restart", "deployment/new-api-fleet")
    namespace.await_described("not ready", "Exit Code:    1")
    # The new pod does not replace a gateway until it is ready.
    assert namespace("get", "deployment/new-api-fleet", "-o=jsonpath={.status.availableReplicas}").stdout == "2"
    namespace.shell(FILL)
    assert "replaced from baked" in namespace("logs", "job/tiktoken-init").stdout
    namespace("rollout", "restart", "deployment/new-api-fleet")
    namespace.await_ready("new-api-fleet")


def test_a_new_image_replaces_the_pods_while_gateways_are_running(fleet: tuple[Namespace, str]) -> None:
    namespace, _ = fleet
    namespace.await_ready("new-api-fleet")
    namespace.change("fleet/kustomization.yaml", 'newTag: "1"', 'newTag: "2"')
    with namespace.watching("deployment/new-api-fleet", "{.status.availableReplicas}") as seen:
        namespace.shell(FILL)
        namespace.await_ready("new-api-fleet")
    assert min(map(int, seen)) == 2
    assert "already right" in namespace("logs", "job/tiktoken-init").stdout
    images = namespace("get", "pods", "-o=jsonpath={..initContainers[*].image}").stdout.split()
    assert f"{OURS}:2" in images
