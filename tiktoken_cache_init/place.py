"""Place where the program runs: the image, a pod of Kubernetes, another container, or a host."""

import os

BAKED_DIR = "/vocabularies"
"""Directory of the vocabularies that were baked into the image."""
_SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io"


def in_image() -> bool:
    """Return whether the program runs in the image. Only the image has the directory of baked vocabularies."""
    return os.path.isdir(BAKED_DIR)


def in_pod() -> bool:
    """Return whether the program runs in a pod of Kubernetes. A pod may lack the account's mount, or the variables."""
    return "KUBERNETES_SERVICE_HOST" in os.environ or os.path.isdir(_SERVICE_ACCOUNT)


def in_container() -> bool:
    """Return whether the program is what a container runs. A shell in a container is as good as a host."""
    return in_image() or in_pod() or os.getpid() == 1
