"""Program that imports every module of an image, inside the image, and prints the reason for each failure.

``python3.13 -I - NAME...``: each NAME is one more module to import. It prints JSON: module -> the exception of its
import.
"""

import importlib
import json
import os
import sys
from collections.abc import Iterator

PLACES = [place for place in sys.path if os.path.isdir(place)]  # noqa: PTH112  pathlib would be loaded in every process


def modules() -> Iterator[str]:
    """Yield the name of each module below the entries of sys.path."""
    for place in PLACES:
        for directory, directories, names in os.walk(place):
            directories[:] = [name for name in directories if f"{directory}/{name}" not in PLACES]
            for name in names:
                if name.endswith((".pyc", ".so")) and not name.startswith("__main__."):
                    below = os.path.relpath(f"{directory}/{name.partition('.')[0]}", place)
                    yield below.replace("/", ".").removesuffix(".__init__")


failed = {}
for module in sorted({*modules(), *sys.argv[1:]}):
    # Each module is imported in its own process, because it must not depend on modules that another one has imported.
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            importlib.import_module(module)
        except BaseException as error:
            os.write(writing, repr(error).encode())
        os._exit(0)
    os.close(writing)
    if said := os.read(reading, 10_000):
        failed[module] = said.decode()
    os.close(reading)
    os.waitpid(child, 0)
json.dump(failed, sys.stdout)
