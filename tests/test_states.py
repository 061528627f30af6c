"""Each command in each starting state of the table, in 64 MiB: on this host, and in the image with real mounts."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.containers.engine import LOCKED_DOWN
from tests.drivers import TWO, Container, Driver
from tests.machine import needs
from tests.states import STATES, Place, State, check_filled, mount, place, slug, snapshot

TOO_MUCH = 99
LIMITED = f"""
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
sys.exit({TOO_MUCH} if resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss > 64 << 10 else code)
"""
"""Program that runs a command, and reports if it needed more than 64 MiB. A limit of the address space is not exact."""


def host(state: State, place: Place) -> Driver:
    """Return a driver with the state's user, groups and capabilities."""
    limited = (sys.executable, "-ISc", LIMITED)
    if os.geteuid():
        return place.host(*limited, baked=state.baked)
    user, _, group = (state.user or "0:0").partition(":")
    groups = f"--groups={state.groups}" if state.groups else "--clear-groups"
    kept = ",".join(["-all", *(f"+{name.lower()}" for name in state.capabilities)])
    rights = ["--inh-caps=-all", f"--bounding-set={kept}", f"--reuid={user}", f"--regid={group}", groups]
    return place.host(*limited, "setpriv", *rights, baked=state.baked, unprivileged=bool(state.user))


def image(name: str, state: State, place: Place) -> Driver:
    """Return a driver for the image with the state's user, groups and capabilities."""
    options = [*LOCKED_DOWN, "--security-opt", "no-new-privileges", "--memory", "64m", "--memory-swap", "64m"]
    options += ["--user", state.user] if state.user else []
    options += ["--group-add", state.groups] if state.groups else []
    options += [word for capability in state.capabilities for word in ("--cap-add", capability)]
    options += ["--volume", f"{place.volume}:{place.volume}:ro"] if state.read_only else []
    options += [] if state.baked else ["--tmpfs", "/vocabularies"]
    return Container(name, [place.directory], options, TWO)


# What the volume holds has the same effect in the image. Users, capabilities, mounts and memory may have another.
IN_IMAGE = [state for state in STATES if state.needs_root or state.repeated]


@pytest.mark.parametrize(
    ("driven", "state"),
    [
        *(pytest.param("host", state, id=f"host-{slug(state)}") for state in STATES),
        *(pytest.param("image", state, id=f"image-{slug(state)}") for state in IN_IMAGE),
    ],
)
def test_a_fill_ends_as_the_table_says_and_changes_no_other_file(
    driven: str, state: State, vocabularies: Path, request: pytest.FixtureRequest
) -> None:
    if state.needs_root:
        needs("root")
    with place(vocabularies) as at:
        at.make(state)
        before = snapshot(at.volume / state.inside)
        if state.read_only and driven == "host":
            mount("--bind", str(at.volume), str(at.volume))
            mount("-o", "remount,bind,ro", str(at.volume))
        driver = host(state, at) if driven == "host" else image(request.getfixturevalue("image"), state, at)
        for command in ("verify", "export"):
            looked = driver.run(command, "--cache-dir", str(at.volume / state.inside))
            assert (looked.code in (0, 1, 3), "Traceback" in looked.stderr) == (True, False), looked.stderr
        arguments = [at.text(argument) for argument in state.arguments]
        ended = driver.run("fill", "--cache-dir", str(at.volume / state.inside), "--sources", "baked", *arguments)
        check_filled(state, at, ended.code, ended.said, before)
