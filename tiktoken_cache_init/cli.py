"""The command line: settings in, one command, its report, an exit code. No traceback leaves here."""

from __future__ import annotations

from . import stopping
from .errors import BUG, NOT_READY, READY, SIGNALLED, BadSetting, InitError, OutputFailed, VolumeError
from .fill import fill
from .light import NamedTuple
from .log import Log, printable, scrubbed
from .outcomes import Filled
from .redaction import Scrubber
from .report import announce, fill_document, report_fill
from .run import DeadlinePassed, Run
from .settings import Settings, load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType
    from typing import Any, TextIO, TypeVar

    from .obtain import Attempts
    from .progress import Progress

    _Result = TypeVar("_Result")

_SIGPIPE = 13


def main(arguments: Sequence[str], environment: Mapping[str, str], out: TextIO, err: TextIO) -> int:
    """Run one command and return its exit code."""
    scrub = Scrubber(_texts_with_secrets(arguments, environment))
    log = Log(err, _log_form(arguments, environment), scrub)
    try:
        code = _command(arguments, environment, log, scrub, out, err)
        with _Writing():
            out.flush()
        return code
    except BrokenPipeError:
        # Whoever read our output has had enough, as in `export | head`.
        return SIGNALLED + _SIGPIPE
    except InitError as error:
        log.error(str(error), error.exit_code)
        return error.exit_code
    except Exception as error:
        log.error(f"a bug in this program, please report it: {_place_of(error)}", BUG)
        return BUG


def _log_form(arguments: Sequence[str], environment: Mapping[str, str]) -> str:
    """Return the form of the log before the settings are read, for complaints about the settings themselves."""
    words = " ".join(arguments).replace("=", " ").split()
    if "--log" in words[:-1]:
        return words[len(words) - words[::-1].index("--log")] if words[-1] != "--log" else ""
    return environment.get("TIKTOKEN_INIT_LOG", "").strip()


def _command(
    arguments: Sequence[str], environment: Mapping[str, str], log: Log, scrub: Scrubber, out: TextIO, err: TextIO
) -> int:
    stopping.install()
    try:
        settings = load(arguments, environment)
    except SystemExit as done:  # --help and --version have been printed
        return done.code if isinstance(done.code, int) else READY
    return _run(settings, _Console(log, scrub, out, err))


class _Writing:
    """Tells a failure of standard output from one of the volume."""

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
            raise OutputFailed(f"cannot write to standard output: {error.strerror}: send it elsewhere") from error


def _texts_with_secrets(arguments: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    # Read before anything is parsed, so that not even the complaint about a bad value gives a secret away.
    names = [n for n in environment if n.lower().endswith("_proxy") or n.startswith(("TIKTOKEN_", "PIP_"))]
    values = [argument.partition("=")[2] for argument in arguments if argument.startswith("--")]
    return [*arguments, *values, *(environment[name] for name in names)]


def _place_of(error: BaseException) -> str:
    where = ""
    trace = error.__traceback__
    while trace:
        # The lines of libraries are no more than roughly known in the image.
        if __package__ in trace.tb_frame.f_code.co_filename:
            where = f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"{type(error).__name__}: {error}{where}"


class _Console(NamedTuple):
    log: Log
    scrub: Scrubber
    out: TextIO
    err: TextIO

    def say(self, line: str) -> None:
        """Write one line of a result."""
        with _Writing():
            self.out.write(printable(self.scrub(line)) + "\n")

    def document(self, document: Any) -> None:
        """Write a result as JSON."""
        import json

        with _Writing():
            self.out.write(json.dumps(scrubbed(document, self.scrub), indent=2) + "\n")
            # An error may follow, and end the process with what is in the buffer.
            self.out.flush()


def _run(settings: Settings, console: _Console) -> int:
    if settings.command == "list":
        return _list(settings, console)
    # How long an export takes is up to whoever reads it.
    run = Run() if settings.command == "export" else Run(settings.deadline)
    try:
        return {"fill": _fill, "verify": _verify, "export": _export}[settings.command](settings, run, console)
    finally:
        run.close()


def _waited_for(settings: Settings, run: Run, work: Callable[[], _Result]) -> _Result:
    try:
        return run.wait_for(work)
    except DeadlinePassed:
        raise VolumeError(
            f"the deadline of {settings.deadline:g} s passed and {settings.cache_dir} does not answer: check its storage"
        ) from None


def _list(settings: Settings, console: _Console) -> int:
    from . import listing

    if settings.json:
        console.document(listing.document(settings))
    else:
        for line in listing.lines(settings):
            console.say(line)
    return READY


def _fill(settings: Settings, run: Run, console: _Console) -> int:
    progress: Progress | None = None

    def watch(attempts: Sequence[Attempts]) -> None:
        nonlocal progress
        if progress is None:
            from .progress import Progress

            progress = Progress(console.log, console.err, settings.log, run.started)
        progress(attempts)

    announce(console.log, settings)
    try:
        filled = _waited_for(settings, run, lambda: fill(settings, run, watch))
    except InitError as error:
        filled = Filled((), error)
    finally:
        if progress:
            progress.close()
    report_fill(console.log, settings, filled, run.elapsed())
    if settings.json:
        console.document(fill_document(settings, filled))
    return filled.error.exit_code if filled.error else READY


def _verify(settings: Settings, run: Run, console: _Console) -> int:
    from . import verdict
    from .verify import verify

    try:
        verified = _waited_for(settings, run, lambda: verify(settings, run))
    except InitError as error:
        if settings.json:
            console.document(verdict.failed(settings, error))
        raise
    if settings.json:
        console.document(verdict.document(settings, verified))
    else:
        for line in verdict.lines(settings, verified):
            console.say(line)
    return READY if verified.ready else NOT_READY


def _export(settings: Settings, run: Run, console: _Console) -> int:
    from .export import export

    if console.out.isatty():
        raise BadSetting("export writes a tar: send it to a file, as in 'export >cache.tar'")

    with _Writing():
        _waited_for(settings, run, lambda: export(settings, console.out.buffer))
    return READY
