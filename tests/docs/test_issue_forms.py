"""The issue forms are ones that the code host takes, and what they ask people to run works."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.consumers.running import ROOT
from tests.docs.clinic import tool
from tests.docs.shell import Shell

FOLDER = ROOT / ".github" / "ISSUE_TEMPLATE"
FORMS = sorted(path.name for path in FOLDER.glob("*.yml") if path.name != "config.yml")


def judged(schema: str, *names: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.github-{schema}"]
    return subprocess.run(
        [*command, *(str(FOLDER / name) for name in names)], check=False, capture_output=True, text=True
    )


def test_the_forms_fit_their_schema() -> None:
    done = judged("issue-forms", *FORMS)
    assert done.returncode == 0, done.stdout


def test_their_configuration_fits_its_schema() -> None:
    done = judged("issue-config", "config.yml")
    assert done.returncode == 0, done.stdout


def asked() -> dict[str, Any]:
    """Return what the form for a gateway that does not work asks for first."""
    form = yaml.safe_load((FOLDER / "not-ready.yml").read_text(encoding="utf-8"))
    first: dict[str, Any] = form["body"][0]
    return first


def test_what_is_asked_for_first_is_the_doctors_result() -> None:
    first = asked()
    assert "verify --json" in first["attributes"]["label"]
    assert first["validations"]["required"] is True


def test_the_promise_that_it_holds_no_credentials_is_kept(tmp_path: Path) -> None:
    assert "no credentials" in asked()["attributes"]["description"]
    secret = {
        "TIKTOKEN_INIT_MIRRORS": "https://user:hunter2@mirror.example/x",
        "HTTPS_PROXY": "http://me:hunter2@proxy:1",
    }
    said = tool("verify", "--json", "--cache-dir", str(tmp_path), variables=secret)
    assert said.code == 1
    assert "hunter2" not in said.out + said.err


def commands() -> list[str]:
    return re.findall(r"`(docker [^`]+)`", asked()["attributes"]["description"])


@pytest.mark.parametrize("command", commands())
def test_the_commands_print_the_result(command: str, with_volume: Shell) -> None:
    # Compose then finds the file that people have.
    example = (with_volume.folder / "docker-compose.example.yml").read_text(encoding="utf-8")
    (with_volume.folder / "docker-compose.yml").write_text(example, encoding="utf-8")
    changes = f"services: {{tiktoken-init: {{image: '{with_volume.image}', build: !reset null}}}}"
    with_volume.lay_over("docker-compose.yml", changes)
    printed = with_volume.run(command.replace("YOUR_VOLUME", "tiktoken") + " || test $? = 1")
    document = json.loads(printed[printed.index("{") :])
    assert document["command"] == "verify"
