"""A real Kubernetes cluster, the one that KUBECONFIG names, and namespaces in which the tests apply the manifests."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import uuid
from pathlib import Path
from typing import Any

import yaml

from tests.containers.engine import docker
from tests.machine import ROOT
from tests.orchestrators.running import COUNTS, Done, run, wait_for

KUBERNETES = ROOT / "deploy" / "kubernetes"

OURS, GATEWAY = "tiktoken-cache-init-test-cluster", "tiktoken-cache-init-test-cluster-gateway:1"
"""Names of the images on the cluster's nodes. The first one has the tags 1 and 2, which are two builds."""

Manifest = dict[str, Any]


class Cluster:
    """Cluster with the images under test. A pod holds the directories on its node that serve as volumes."""

    def __init__(self) -> None:
        self.name = f"tiktoken-test-{uuid.uuid4().hex[:8]}"
        self.path = f"/tmp/{self.name}"
        self.node = ""

    def start(self, image: str, gateway_image: str) -> None:
        """Give the images to the nodes, and start the pod."""
        docker("tag", image, f"{OURS}:1")
        docker("tag", gateway_image, GATEWAY)
        # An upgrade needs an image with another id.
        run("docker", "build", "--quiet", "--tag", f"{OURS}:2", "-", given=f"FROM {image}\nLABEL build=2\n")
        run(*shlex.split(os.environ["KUBERNETES_LOAD"]), f"{OURS}:1", f"{OURS}:2", GATEWAY)
        run("kubectl", "create", "namespace", self.name)
        mounts = [{"name": "tmp", "mountPath": "/tmp"}]
        volumes = [{"name": "tmp", "hostPath": {"path": "/tmp"}}]
        container = {"name": "storage", "image": GATEWAY, "command": ["sleep", "3600"], "volumeMounts": mounts}
        spec = {"terminationGracePeriodSeconds": 0, "containers": [container], "volumes": volumes}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "storage"}, "spec": spec}
        self("create", "--filename", "-", given=yaml.safe_dump(pod))
        self("wait", "--for=condition=Ready", "--timeout=60s", "pod/storage")
        self.node = self("get", "pod/storage", "-o=jsonpath={.spec.nodeName}").stdout
        self("exec", "storage", "--", "mkdir", self.path)

    def __call__(self, *arguments: str, check: bool = True, given: str | None = None) -> Done:
        """Run a kubectl command in the namespace of the pod."""
        return run("kubectl", "--namespace", self.name, *arguments, check=check, given=given)

    def storage(self, script: str) -> None:
        """Run a shell script on the node, in the directory that holds the volumes."""
        self("exec", "storage", "--", "sh", "-euc", f"cd {self.path}\n{script}")

    def clear(self) -> None:
        """Remove everything that the tests made in the cluster."""
        self("exec", "storage", "--", "rm", "-rf", self.path, check=False)
        run("kubectl", "delete", "namespace", self.name, "--wait=false")


class Namespace:
    """Namespace that enforces the restricted standard, and a copy of the manifests that a test may change."""

    def __init__(self, cluster: Cluster, directory: Path) -> None:
        self.cluster = cluster
        self.name = f"{cluster.name}-{uuid.uuid4().hex[:8]}"
        self.directory = directory
        self.manifests = directory / "deploy" / "kubernetes"
        self.variables = {"KUBECONFIG": str(directory / "config")}
        shutil.copytree(KUBERNETES, self.manifests)
        for path in self.manifests.rglob("*.yaml"):
            path.write_text(_for_the_cluster(path))
        config = run("kubectl", "config", "view", "--raw", "--flatten", "--minify").stdout
        (self.directory / "config").write_text(config)
        self("config", "set-context", "--current", "--namespace", self.name)
        self("create", "namespace", self.name)
        labels = ("pod-security.kubernetes.io/enforce=restricted", f"tiktoken-test={self.name}")
        self("label", "namespace", self.name, *labels)

    def __call__(self, *arguments: str, check: bool = True, given: str | None = None) -> Done:
        """Run a kubectl command in the namespace."""
        return run("kubectl", *arguments, check=check, given=given, variables=self.variables)

    def shell(self, commands: str) -> None:
        """Run commands as a page has them."""
        run("bash", "-euc", commands, variables=self.variables, directory=self.directory)

    def apply(self, directory: str, *options: str, check: bool = True) -> Done:
        """Apply a directory of the manifests."""
        return self("apply", "-k", str(self.manifests / directory), *options, check=check)

    def change(self, path: str, old: str, new: str) -> None:
        """Replace a text in a file of the manifests."""
        text = (self.manifests / path).read_text()
        assert old in text, path
        (self.manifests / path).write_text(text.replace(old, new))

    def volume(self, claim: str, kind: str = "local") -> str:
        """Make a volume for a claim; return its path for `Cluster.storage`. A ``hostPath`` ignores fsGroup."""
        name = f"{self.name}-{claim}"
        self.cluster.storage(f"mkdir -m 755 {name}")
        term = {"key": "kubernetes.io/hostname", "operator": "In", "values": [self.cluster.node]}
        spec: Manifest = {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce", "ReadWriteMany"],
            "claimRef": {"namespace": self.name, "name": claim},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [term]}]}},
            kind: {"path": f"{self.cluster.path}/{name}"},
        }
        metadata = {"name": name, "labels": {"tiktoken-test": self.name}}
        volume = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": metadata, "spec": spec}
        self("create", "--filename", "-", given=yaml.safe_dump(volume))
        return name

    def await_ready(self, deployment: str) -> None:
        """Wait until all pods of a Deployment are ready, and its gateway counts correctly."""
        done = self("rollout", "status", f"deployment/{deployment}", "--timeout=90s", check=False)
        assert done.returncode == 0, f"{done.stdout}{self('describe', 'pods').stdout}"
        # Without a probe, a pod is ready before its gateway is.
        wait_for(COUNTS, lambda: self("logs", f"deployment/{deployment}", "--container", "new-api").stdout)

    def answer(self, service: str) -> str:
        """Return what a gateway answers through its Service."""
        path = f"/api/v1/namespaces/{self.name}/services/{service}:3000/proxy/api/status"
        return self("get", "--raw", path).stdout

    def await_described(self, *texts: str) -> None:
        """Wait until ``kubectl describe pods`` shows a text, and check that it also shows the others."""
        seen = wait_for(texts[0], lambda: self("describe", "pods").stdout)
        assert [text for text in texts if text not in seen] == [], seen

    def clear(self) -> None:
        """Remove the namespace and its volumes."""
        self("delete", "namespaces,persistentvolumes", f"--selector=tiktoken-test={self.name}", "--wait=false")


def _for_the_cluster(path: Path) -> str:
    """Return a manifest with the names of the images on the nodes, changed as its comments and the page say."""
    head, found, comment = path.read_text().partition("# Remove the # from these lines")
    text = head + "\n".join(line.removeprefix("# ") for line in comment.splitlines()[1:]) if found else head
    text = re.sub(r"registry\.example/tiktoken-cache-init(@.*)?", lambda n: OURS + (":1" if n[1] else ""), text)
    text = re.sub("newTag: .*", 'newTag: "1"', text)
    if path.parent.name in ("component", "helm"):
        text = re.sub("image: tiktoken-cache-init:.*", f"image: {OURS}:1", text)
    text = text.replace("calciumion/new-api:v0.8.2.0", GATEWAY)
    # A cluster may have a default class, which would make volumes of its own.
    return text.replace("  accessModes:", '  storageClassName: ""\n  accessModes:')
