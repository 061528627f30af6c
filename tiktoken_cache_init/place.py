"""Place where the program runs: the image, a pod of Kubernetes, or a host."""

import os

BAKED_DIR = "/vocabularies"
"""Directory of the vocabularies that were baked into the image."""


def in_image() -> bool:
    """Return whether the program runs in the image. Only the image has the directory of baked vocabularies."""
    return os.path.isdir(BAKED_DIR)
