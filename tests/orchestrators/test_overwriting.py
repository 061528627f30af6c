"""Applications that overwrite the variable: the mount must be at their own directory."""

from __future__ import annotations

import pytest

from tests.orchestrators.conftest import APPS
from tests.orchestrators.engines import Engine
from tests.orchestrators.running import wait_for
from tests.orchestrators.test_examples import counts

PLACES = {
    "ragflow": "/ragflow",
    "maxkb": "/opt/maxkb-app/model/tokenizer/openai-tiktoken-cl100k-base",
    "private-gpt": "/home/worker/app/tiktoken_cache",
}
"""Application -> the directory that it always reads."""


@pytest.fixture(scope="module")
def volume(engine: Engine) -> str:
    engine.docker("run", "--rm", "--network=none", "--volume=overwriting:/cache/tiktoken", "tiktoken-cache-init")
    return "overwriting"


@pytest.mark.parametrize("app", PLACES)
@pytest.mark.parametrize(
    "right", [True, False], ids=["mount at its own directory", "mount at the directory of the variable"]
)
def test_an_application_that_overwrites_the_variable_needs_the_mount_at_its_own_directory(
    app: str, right: bool, engine: Engine, volume: str
) -> None:
    mount = f"--volume={volume}:{PLACES[app] if right else '/cache/tiktoken'}:ro"
    variable = "--env=TIKTOKEN_CACHE_DIR=/cache/tiktoken"
    engine.docker("run", "--detach", "--name=app", "--network=none", mount, variable, APPS[app])
    try:
        wait_for(counts("cl100k_base") if right else "ConnectionError", lambda: engine.docker("logs", "app").stdout)
    finally:
        engine.docker("rm", "--force", "app")
