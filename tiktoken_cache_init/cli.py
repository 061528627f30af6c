"""Main function: reads the settings, runs one command and returns its exit code. It never prints a traceback."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TextIO

from . import REPORT_TO, interrupts, place
from .advice import advised
from .errors import (
    DeadlinePassed,
    ExitCode,
    InitError,
    NotMountedError,
    NotReadyError,
    SettingError,
    Stopped,
    VolumeError,
)
from .fill import Filled, fill
from .output.documents import fill_document, list_document, verify_document
from .output.log import Log, printable, scrubbed
from .output.progress import Progress
from .output.report import announce, report_fill
from .output.text import list_lines, verify_lines
from .redact import Scrubber
from .settings import Settings, load


def main(arguments: Sequence[str], environment: Mapping[str, str], out: TextIO, err: TextIO) -> int:
    """Run one command and return its exit code."""
    scrub = Scrubber(_texts_with_secrets(arguments, environment))
    console = _Console(Log(err, environment.get("TIKTOKEN_INIT_LOG", "").strip(), scrub), scrub, out, err)
    try:
        interrupts.listen()
        try:
            interrupts.unblock()
            return _main(arguments, environment, console)
        except MemoryError:
            raise VolumeError("too little memory: allow 64 MiB (ulimit -v, docker run --memory)") from None
        except RuntimeError as error:
            # Python 3.11 wraps an exception that is raised while an imported module makes a class.
            if isinstance(error.__cause__, Stopped):
                raise error.__cause__ from None
            raise
        finally:
            # From here on, no signal changes the exit code.
            interrupts.block()
    except BrokenPipeError:
        # The reader closed the pipe, as in `export | head`.
        return ExitCode.SIGNALLED + signal.SIGPIPE
    except Stopped as stopped:
        code = ExitCode.SIGNALLED + stopped.signum
        console.log.error(f"stopped by signal {stopped.signum}: run again to continue", code)
        return code
    except InitError as error:
        console.log.error(str(advised(error)), error.exit_code)
        return error.exit_code
    except Exception as error:
        import traceback

        ours = [frame for frame in traceback.extract_tb(error.__traceback__) if str(__package__) in frame.filename]
        bug = f"{type(error).__name__}: {error} at {ours[-1].filename}:{ours[-1].lineno}"
        console.log.error(
            f"a bug in this program ({bug}): report it, with the command and this line, to {REPORT_TO}", ExitCode.BUG
        )
        return ExitCode.BUG


def _main(arguments: Sequence[str], environment: Mapping[str, str], console: "_Console") -> int:
    # With a restrictive umask, consumers could not read new directories.
    os.umask(0o022)
    if arguments:
        # Importing argparse takes as long as a fill, and the image usually runs without arguments.
        from .arguments import parse

        parsed = parse(arguments)
        if isinstance(parsed, str):
            console.write(parsed)
            return ExitCode.READY
        if "log" in parsed.given:
            console.log = Log(console.err, parsed.given["log"][-1], console.scrub)
        settings = load(parsed.command, parsed.given, parsed.json, environment)
    else:
        settings = load("fill", {}, False, environment)
    for warning in settings.warnings:
        console.log.warning(warning)
    commands = {"fill": _fill, "verify": _verify, "list": _list, "export": _export, "path": _path}
    return commands[settings.command](settings, console)


class _Console:
    """Output of a run: results on stdout, the log on stderr."""

    def __init__(self, log: Log, scrub: Scrubber, out: TextIO, err: TextIO) -> None:
        self.log = log
        self.scrub = scrub
        self.out = out
        self.err = err

    def write(self, text: str) -> None:
        """Write text to stdout at once, because a full disk must be reported before any error line that follows."""
        with _stdout_errors():
            self.out.write(text)
            self.out.flush()

    def lines(self, lines: Sequence[str]) -> None:
        """Write a result as lines of text."""
        self.write("".join(f"{printable(self.scrub(line))}\n" for line in lines))

    def document(self, document: Any) -> None:
        """Write a result as JSON."""
        import json

        self.write(json.dumps(scrubbed(document, self.scrub), indent=2) + "\n")


@contextlib.contextmanager
def _deadline(settings: Settings) -> Iterator[None]:
    signal.setitimer(signal.ITIMER_REAL, settings.deadline)
    try:
        yield
    except DeadlinePassed:
        raise VolumeError(
            f"the deadline of {settings.deadline:g} s passed and {settings.cache_dir} does not answer: check its storage"
        ) from None
    finally:
        interrupts.end_deadline()


def _fill(settings: Settings, console: _Console) -> int:
    started = time.monotonic()
    announce(console.log, settings)
    progress = Progress(console.log, console.err, settings.log)
    try:
        with _deadline(settings):
            filled = fill(settings, progress)
    except InitError as error:
        filled = Filled((), error)
    finally:
        progress.close()
    if filled.error:
        advised(filled.error)
    report_fill(console.log, settings, filled, time.monotonic() - started)
    if settings.json:
        console.document(fill_document(settings, filled))
    return filled.error.exit_code if filled.error else ExitCode.READY


def _verify(settings: Settings, console: _Console) -> int:
    from .verify import Fix, Verified, verify

    try:
        with _deadline(settings):
            verified = verify(settings)
    except InitError as error:
        advised(error)
        if isinstance(error, NotMountedError):
            verified = Verified((), (Fix(str(error), by_fill=False),))
        else:
            if settings.json:
                console.document(verify_document(settings, Verified(()), error))
            raise
    if settings.json:
        console.document(verify_document(settings, verified))
    else:
        console.lines(verify_lines(settings, verified))
    return ExitCode.READY if verified.ready else ExitCode.NOT_READY


def _list(settings: Settings, console: _Console) -> int:
    if settings.json:
        console.document(list_document(settings))
    else:
        console.lines(list_lines(settings))
    return ExitCode.READY


def _export(settings: Settings, console: _Console) -> int:
    from .export import export

    if console.out.isatty():
        raise SettingError(
            "standard output is a terminal, and export writes a tar: send it to a file, as in 'export >cache.tar'"
        )
    for each in interrupts.STOPPING:
        # Exit at once: there is nothing to clean up, and a write blocks if the reader of the pipe has stopped reading.
        interrupts.handle(each, lambda signum, _: os._exit(ExitCode.SIGNALLED + signum))
    try:
        with _stdout_errors():
            export(settings, console.out.buffer)
            console.out.flush()
    except NotMountedError as error:
        error.exit_code = ExitCode.NOT_READY
        raise
    return ExitCode.READY


def _path(_: Settings, console: _Console) -> int:
    if not os.path.isdir(place.BAKED_DIR):
        raise NotReadyError(
            "no vocabulary is baked into this installation: install the wheel of a release, or run fill and use its directory"
        )
    console.lines([os.path.realpath(place.BAKED_DIR)])
    return ExitCode.READY


@contextlib.contextmanager
def _stdout_errors() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise VolumeError(f"cannot write to standard output: {error.strerror}: send it elsewhere") from error


def _texts_with_secrets(arguments: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    # Collected before the settings are parsed, because an error about a bad value may contain a secret.
    names = [n for n in environment if n.lower().endswith("_proxy") or n.startswith(("TIKTOKEN_", "PIP_"))]
    values = [argument.partition("=")[2] for argument in arguments]
    return [*arguments, *values, *(environment[name] for name in names)]
