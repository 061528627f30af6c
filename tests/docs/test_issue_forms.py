"""The issue forms fit the code host's schema, and the commands that they ask people to run work."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.containers.engine import ROOT
from tests.docs.running import tool
from tests.docs.shell import Shell

DIRECTORY = ROOT / ".github" / "ISSUE_TEMPLATE"
FORMS = sorted(path.name for path in DIRECTORY.glob("*.yml") if path.name != "config.yml")


def judged(schema: str, *names: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.github-{schema}"]
    return subprocess.run(
        [*command, *(str(DIRECTORY / name) for name in names)], check=False, capture_output=True, text=True
    )


def test_the_forms_fit_their_schema() -> None:
    done = judged("issue-forms", *FORMS)
    assert done.returncode == 0, done.stdout


def test_the_configuration_of_the_forms_fits_its_schema() -> None:
    done = judged("issue-config", "config.yml")
    assert done.returncode == 0, done.stdout


def asked() -> dict[str, Any]:
    """Return the first field of the form for a gateway that does not work."""
    form = yaml.safe_load((DIRECTORY / "not-ready.yml").read_text(encoding="utf-8"))
    first: dict[str, Any] = form["body"][0]
    return first


def test_the_form_asks_for_the_result_of_verify_first() -> None:
    first = asked()
    assert "verify --json" in first["attributes"]["label"]
    assert first["validations"]["required"] is True


def test_the_result_holds_no_credentials_as_promised(tmp_path: Path) -> None:
    assert "no credentials" in asked()["attributes"]["description"]
    secret = {
        "TIKTOKEN_INIT_MIRRORS": "https://user:hunter2@mirror.example/x",
        "HTTPS_PROXY": "http://me:hunter2@proxy:1",
    }
    said = tool("verify", "--json", "--cache-dir", str(tmp_path), variables=secret)
    assert said.code == 1
    assert "hunter2" not in said.out + said.err


def commands() -> list[str]:
    return re.findall(r"`(docker [^`]+verify --json)`", asked()["attributes"]["description"])


@pytest.mark.parametrize("command", commands())
def test_the_commands_print_the_result(command: str, with_volume: Shell) -> None:
    # Users have a compose file with the default name.
    example = (with_volume.directory / "docker-compose.example.yml").read_text(encoding="utf-8")
    (with_volume.directory / "docker-compose.yml").write_text(example, encoding="utf-8")
    with_volume.change_compose(
        f"services: {{tiktoken-init: {{image: '{with_volume.image}', build: !reset null}}}}",
    )
    printed = with_volume.run(command.replace("YOUR_VOLUME", "tiktoken") + " || test $? = 1")
    document = json.loads(printed[printed.index("{") :])
    assert document["command"] == "verify"
