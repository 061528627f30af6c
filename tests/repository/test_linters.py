"""Linters of files that are not Python: workflows, issue forms, the Dockerfile, shell scripts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.machine import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
FORMS = ROOT / ".github/ISSUE_TEMPLATE"
DEPENDABOT = ROOT / ".github/dependabot.yml"
TOOLS = Path(sys.executable).parent
# A Go module, because the wheel of actionlint downloads a binary.
ACTIONLINT = "github.com/rhysd/actionlint/cmd/actionlint@v1.7.7"


def passes(*command: str | Path) -> None:
    done = subprocess.run([str(word) for word in command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def listed(*arguments: str) -> list[str]:
    """Return the lines of ``git ls-files``."""
    done = subprocess.run(["git", "ls-files", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_workflows_and_issue_forms_are_valid_and_safe() -> None:
    assert WORKFLOWS
    passes(TOOLS / "check-jsonschema", "--builtin-schema", "vendor.github-workflows", *WORKFLOWS)
    passes(TOOLS / "check-jsonschema", "--builtin-schema", "vendor.dependabot", DEPENDABOT)
    passes(TOOLS / "check-jsonschema", "--builtin-schema", "vendor.github-issue-config", FORMS / "config.yml")
    passes(TOOLS / "check-jsonschema", "--builtin-schema", "vendor.github-issue-forms", *FORMS.glob("[!c]*.yml"))
    passes(TOOLS / "zizmor", "--offline", "--quiet", *WORKFLOWS, DEPENDABOT)


@pytest.mark.needs("go")
def test_workflows_pass_actionlint() -> None:
    passes("go", "run", ACTIONLINT, *WORKFLOWS)


def test_the_dockerfile_passes_hadolint() -> None:
    passes(TOOLS / "hadolint", ROOT / "Dockerfile")


def test_shell_scripts_pass_shellcheck() -> None:
    scripts = [name for name in listed("*.sh", ".ci/run") if (ROOT / name).read_bytes().startswith(b"#!")]
    assert ".ci/run" in scripts
    passes(TOOLS / "shellcheck", "--external-sources", "--source-path=SCRIPTDIR", *scripts)


def test_a_clone_keeps_the_line_ends_of_the_repository() -> None:
    # Git for Windows converts line ends by default. Shell scripts with CRLF do not start, and the image would differ.
    files = listed("--eol")
    assert [line for line in files if "attr/text=auto eol=lf" not in line or "i/crlf" in line] == []
    assert files
