"""Snakemake in this process: one call per pass, with a progress line."""

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

from affectstore.runner.progress import Progress


class _Listener(logging.Filter):
    """Filter of Snakemake's log: events update the progress line, and the console shows errors alone.

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
    dry_run: bool,
    progress: Progress,
) -> bool:
    """Build targets.

    Args:
        targets: Paths or rule names.
        root: Folder that holds workflow/.
        profile: Folder of the profile.
        cores: Number of cores; None for the profile's.
        dry_run: Run nothing.
        progress: Receives every event.

    Returns:
        True if every job succeeded.

    Raises:
        KeyboardInterrupt: The jobs have been stopped.
    """
    from snakemake.cli import args_to_api, parse_args

    argv = ["--snakefile", str(root / "workflow" / "Snakefile"), "--workflow-profile", str(profile.resolve())]
    if cores is not None:
        argv += ["--cores", str(cores)]
    if dry_run:
        argv.append("--dry-run")
    listener = _Listener(progress)
    logger = logging.getLogger("snakemake.logging")
    logger.addFilter(listener)
    try:
        with _interrupts_of(listener):
            parser, parsed = _parsed(parse_args, [*argv, "--", *targets])
            return bool(args_to_api(parsed, parser))
    finally:
        progress.clear()
        logger.removeFilter(listener)


@contextlib.contextmanager
def _interrupts_of(listener: _Listener) -> Iterator[None]:
    """Raise Ctrl-C again when Snakemake has ended, which makes an ordinary failure of it."""

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
    """Parse Snakemake's arguments without its message about the profile."""
    messages = io.StringIO()
    try:
        with contextlib.redirect_stderr(messages):
            return parse_args(argv)
    except BaseException:
        sys.stderr.write(messages.getvalue())
        raise
