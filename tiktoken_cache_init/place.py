"""Place where the program runs: the image, a pod of Kubernetes, another container, or a host."""

import os

IMAGE_DIR = "/usr/lib/tiktoken-cache-init"
"""Directory of the program in the image, where `image/lay_out.py` puts it."""
_PACKAGE_DIR = os.path.dirname(__file__)
BAKED_DIR = os.path.join(_PACKAGE_DIR, "vocabularies")
"""Directory of the vocabularies that were baked in: files of the wheel, and in the image a link to ``/vocabularies``."""
_SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io"


def in_image() -> bool:
    """Return whether the program runs in the image."""
    return os.path.dirname(_PACKAGE_DIR) == IMAGE_DIR


def in_pod() -> bool:
    """Return whether the program runs in a pod of Kubernetes. A pod may lack the account's mount, or the variables."""
    return "KUBERNETES_SERVICE_HOST" in os.environ or os.path.isdir(_SERVICE_ACCOUNT)


def in_container() -> bool:
    """Return whether a container runs only this program. A shell in a container counts as a host."""
    return in_image() or in_pod() or os.getpid() == 1
