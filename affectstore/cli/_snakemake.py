"""Snakemake in this process: one call a pass, with a progress line of our own."""

from __future__ import annotations

import contextlib
import io
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from affectstore.cli._progress import Progress


class _Listener(logging.Filter):
    """Sees every record of Snakemake's logger; leaves the console to errors and to the progress line.

    A filter and not a handler: Snakemake removes all handlers when it sets up its logging.
    """

    def __init__(self, progress: Progress):
        super().__init__()
        self._progress = progress

    def filter(self, record: logging.LogRecord) -> bool:
        for handler in logging.getLogger("snakemake.logging").handlers:
            if handler.name == "DefaultStreamHandler":
                handler.setLevel(logging.ERROR)
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
    """
    from snakemake.cli import args_to_api, parse_args

    argv = ["--snakefile", str(root / "workflow" / "Snakefile"), "--workflow-profile", str(profile.resolve())]
    if cores is not None:
        argv += ["--cores", str(cores)]
    listener = _Listener(progress)
    logger = logging.getLogger("snakemake.logging")
    logger.addFilter(listener)
    try:
        parser, parsed = _parsed(parse_args, [*argv, *arguments, "--", *targets])
        return bool(args_to_api(parsed, parser))
    finally:
        progress.clear()
        logger.removeFilter(listener)


def _parsed(parse_args: Callable[[list[str]], tuple[Any, Any]], argv: list[str]) -> tuple[Any, Any]:
    """Parse Snakemake's arguments without its word on which profile it uses."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return parse_args(argv)
    except BaseException:
        sys.stderr.write(said.getvalue())
        raise
