"""Linters of files that are not Python: workflows, issue forms, the Dockerfile, shell scripts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.samples import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
FORMS = ROOT / ".github/ISSUE_TEMPLATE"
DEPENDABOT = ROOT / ".github/dependabot.yml"
TOOLS = Path(sys.executable).parent
# A Go module, because the wheel of actionlint downloads a binary.
ACTIONLINT = "github.com/rhysd/actionlint/cmd/actionlint@v1.7.7"


def passes(*command: str | Path) -> None:
    done = subprocess.run([str(word) for word in command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.splitlines()]


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
    scripts = [path for path in tracked("*.sh", ".ci/run") if path.read_bytes().startswith(b"#!")]
    assert ROOT / ".ci/run" in scripts
    passes(TOOLS / "shellcheck", "--external-sources", "--source-path=SCRIPTDIR", *scripts)


def test_a_clone_that_converts_line_ends_keeps_those_of_the_repository(tmp_path: Path) -> None:
    # Git for Windows converts line ends by default. Shell scripts with CRLF do not start, and the image would differ.
    clone = ["git", "clone", "--quiet", "--no-local", "-c", "core.autocrlf=true", str(ROOT), str(tmp_path / "clone")]
    subprocess.run(clone, check=True)
    files = [path for path in (tmp_path / "clone").rglob("*") if path.is_file() and ".git" not in path.parts]
    assert tmp_path / "clone/image/install.sh" in files
    assert [path for path in files if b"\r\n" in path.read_bytes()] == []
