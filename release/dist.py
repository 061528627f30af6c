"""Makes the files of a release: ``python -m release.dist DIRECTORY``.

The directory gets the wheel, the sdist, a tar of the vocabularies, an archive of each image for each architecture
(the variable ARCHITECTURES, default: amd64 arm64), and SHA256SUMS. All parts get the vocabularies from the image ``data``:
its build checks their digests, and the real tiktoken loads them. Two runs for one commit make the same bytes.

It runs in the environment of `make dist`, with a container engine. BUILD_OPTIONS holds options for every build of an image.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import os
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tiktoken_cache_init import REPOSITORY, __version__
from tiktoken_cache_init.catalogue import VOCABULARIES

ROOT = Path(__file__).resolve().parents[1]
NAME = "tiktoken-cache-init"
DISTRIBUTION = f"tiktoken_cache_init-{__version__}"
WHEEL, SDIST = f"{DISTRIBUTION}-py3-none-any.whl", f"{DISTRIBUTION}.tar.gz"
TAR = f"tiktoken-vocabularies-{__version__}.tar.gz"
TARGETS = {"default": "", "offline": "-offline", "data": "-data"}
"""Target of the Dockerfile -> suffix of the version in tags and file names."""
ARCHITECTURES = os.environ.get("ARCHITECTURES", "amd64 arm64").split()
CACHE_README = f"""\
The vocabularies of tiktoken, as their publisher serves them, under their cache keys.
This directory is a cache: mount it or copy it, and set TIKTOKEN_CACHE_DIR to its path in the program that reads it.

Unpack:  mkdir tiktoken && tar -xzf {TAR} -C tiktoken
Check:   cd tiktoken && sha256sum --check SHA256SUMS
Docker:  docker run -v ./tiktoken:/cache/tiktoken:ro -e TIKTOKEN_CACHE_DIR=/cache/tiktoken ...
Python:  TIKTOKEN_CACHE_DIR=$PWD/tiktoken python program.py

The names are the SHA-1 of the URLs of the files: `{NAME} list` prints them. `{NAME} verify` explains what is wrong.
"""


def archive(target: str, architecture: str) -> str:
    """Return the name of the archive of an image."""
    return f"{NAME}-{__version__}{TARGETS[target]}-{architecture}.tar.gz"


def run(*command: str | Path, **options: str) -> str:
    """Run a command and return its output.

    Raises:
        SystemExit: it failed.
    """
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=ROOT, check=False, stdout=subprocess.PIPE, text=True, env=os.environ | options)
    if done.returncode:
        sys.exit(f"error: {shlex.join(words)} exited with {done.returncode}: see its messages above")
    return done.stdout


def epoch() -> str:
    """Return the time of the commit, in seconds since 1970."""
    return run("git", "log", "-1", "--format=%ct").strip()


def build(target: str, *options: str) -> None:
    """Build a target of the Dockerfile as in a release."""
    revision = run("git", "rev-parse", "HEAD").strip()
    given = [f"SOURCE_DATE_EPOCH={epoch()}", f"VERSION={__version__}", f"REVISION={revision}"]
    given.append(f"SOURCE=https://github.com/{REPOSITORY}")
    arguments = [word for each in given for word in ("--build-arg", each)]
    arguments += shlex.split(os.environ.get("BUILD_OPTIONS", ""))
    run("docker", "buildx", "build", "--target", target, *arguments, *options, ".")


def make_packages(vocabularies: Path, out: Path) -> None:
    """Make the wheel, with the vocabularies baked in, and the sdist, without them."""
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch, "tree")
        package = tree / "tiktoken_cache_init"
        ignored = shutil.ignore_patterns("__pycache__", "vocabularies")
        shutil.copytree(ROOT / package.name, package, ignore=ignored)
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, tree)
        shutil.copytree(vocabularies, package / "vocabularies")
        command = (sys.executable, "-m", "build", "--no-isolation", "--outdir", out)
        for form in ("--sdist", "--wheel"):
            run(*command, form, tree, SOURCE_DATE_EPOCH=epoch())


def make_tar(vocabularies: Path, out: Path) -> None:
    """Make the tar of the vocabularies. Its entries for them are those of the command ``export``."""
    sums = "".join(f"{known.sha256}  {known.cache_key}\n" for known in sorted(VOCABULARIES, key=lambda v: v.cache_key))
    contents = {known.cache_key: (vocabularies / known.cache_key).read_bytes() for known in VOCABULARIES}
    contents |= {"README": CACHE_README.encode(), "SHA256SUMS": sums.encode()}
    with _new_tar(out / TAR) as tar:
        for name, content in sorted(contents.items()):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


def make_archive(target: str, architecture: str, out: Path) -> None:
    """Make the archive of an image for one architecture, as ``docker load`` reads it."""
    # The commands in the documentation use the short name.
    names = [f"{NAME}:{__version__}{TARGETS[target]}", f"{NAME}:{'latest' if target == 'default' else target}"]
    tags = [word for name in names for word in ("--tag", name)]
    build(target, "--platform", f"linux/{architecture}", "--provenance=false", "--quiet", "--load", *tags)
    with tempfile.TemporaryFile() as saved:
        subprocess.run(["docker", "save", *names], check=True, stdout=saved)
        saved.seek(0)
        with tarfile.open(fileobj=saved) as image, _new_tar(out / archive(target, architecture)) as tar:
            for entry in image:
                # The engine writes the time of the run into some entries.
                entry.mtime = 0
                tar.addfile(entry, image.extractfile(entry))


@contextlib.contextmanager
def _new_tar(path: Path) -> Iterator[tarfile.TarFile]:
    """Write a compressed tar with no time in it."""
    with (
        path.open("wb") as file,
        gzip.GzipFile("", "wb", 9, file, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        yield tar


def make_sums(out: Path) -> None:
    """Write the digests of all files, as ``sha256sum --check`` reads them."""
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(out.iterdir())]
    (out / "SHA256SUMS").write_text("".join(lines))


def main(out: Path) -> None:
    """Make every file of a release in a new directory."""
    # Modes of files get into the archives.
    os.umask(0o022)
    out.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as scratch:
        build("data", "--output", f"type=local,dest={scratch}/vocabularies")
        make_packages(Path(scratch, "vocabularies"), out)
        make_tar(Path(scratch, "vocabularies"), out)
    for architecture in ARCHITECTURES:
        for target in TARGETS:
            make_archive(target, architecture, out)
    make_sums(out)
    print((out / "SHA256SUMS").read_text(), end="")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
