"""Snakemake in this process: one call a pass, with a progress line of our own."""

from __future__ import annotations

import contextlib
import io
import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from affectstore.cli._progress import Progress


class _Listener(logging.Filter):
    """Sees every record of Snakemake's logger; leaves the console to errors and to the progress line.

    A filter and not a handler: Snakemake removes all handlers when it sets up its logging.
    """

    def __init__(self, progress: Progress):
        super().__init__()
        self._progress = progress
        self.interrupted = False

    def filter(self, record: logging.LogRecord) -> bool:
        for handler in logging.getLogger("snakemake.logging").handlers:
            if handler.name == "DefaultStreamHandler":
                handler.setLevel(logging.ERROR)
        if self.interrupted:
            return False  # every job that is stopped would be an error
        event = getattr(record, "event", None)
        if event is not None:
            self._progress.on_event(str(event), record)
        if record.levelno >= logging.ERROR:
            self._progress.clear()
        return True


def run_snakemake(
    targets: Sequence[str],
    *,
    root: Path,
    profile: Path,
    cores: int | None,
    arguments: Sequence[str],
    progress: Progress,
) -> bool:
    """Build `targets`; True where every job succeeded.

    Args:
        targets: paths or rule names.
        root: folder that holds workflow/.
        profile: folder of the profile.
        cores: cores, or None for what the profile says.
        arguments: further arguments for Snakemake.
        progress: told of every event.

    Raises:
        KeyboardInterrupt: the jobs have been stopped.
    """
    from snakemake.cli import args_to_api, parse_args

    argv = ["--snakefile", str(root / "workflow" / "Snakefile"), "--workflow-profile", str(profile.resolve())]
    if cores is not None:
        argv += ["--cores", str(cores)]
    listener = _Listener(progress)
    logger = logging.getLogger("snakemake.logging")
    logger.addFilter(listener)
    try:
        with _interrupts_of(listener):
            parser, parsed = _parsed(parse_args, [*argv, *arguments, "--", *targets])
            return bool(args_to_api(parsed, parser))
    finally:
        progress.clear()
        logger.removeFilter(listener)


@contextlib.contextmanager
def _interrupts_of(listener: _Listener) -> Iterator[None]:
    """Ctrl-C stops Snakemake, which makes an ordinary failure of it; raise it again when it has ended."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        listener.interrupted = True
        signal.default_int_handler(number, frame)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if listener.interrupted:
            raise KeyboardInterrupt


def _parsed(parse_args: Callable[[list[str]], tuple[Any, Any]], argv: list[str]) -> tuple[Any, Any]:
    """Parse Snakemake's arguments without its word on which profile it uses."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return parse_args(argv)
    except BaseException:
        sys.stderr.write(said.getvalue())
        raise
