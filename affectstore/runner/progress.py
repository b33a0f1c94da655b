"""Progress of a run on one line."""

from __future__ import annotations

import sys
import time
from collections import Counter
from typing import Any, TextIO

_LOG_EVERY_S = 10.0


class Progress:
    """Count jobs as they start and end.

    On a terminal one line is rewritten in place; in a log file a line is written every ten seconds.
    """

    def __init__(self, title: str, stream: TextIO | None = None):
        self._title = title
        self._stream = sys.stderr if stream is None else stream
        self._began = time.monotonic()
        self._last = 0.0
        self._running: dict[int, str] = {}
        self._width = 0
        self.done = 0
        self.total = 0
        self.failed: list[str] = []
        self.by_rule: Counter[str] = Counter()

    def on_event(self, event: str, record: Any) -> None:
        """Update the counts by one event of Snakemake's log."""
        if event == "job_info":
            self._running[record.jobid] = _name(record)
        elif event == "job_finished":
            name = self._running.pop(record.job_id, "")
            if name:
                self.by_rule[name.split()[0]] += 1
        elif event == "job_error":
            self.failed.append(self._running.pop(record.jobid, record.rule_name))
        elif event == "run_info":
            self.total = record.stats.get("total", 0)
        elif event == "progress":
            self.done, self.total = record.done, record.total
        else:
            return
        self._draw(event)

    def clear(self) -> None:
        """Erase the line, before something else is printed."""
        if self._width and self._stream.isatty():
            self._stream.write("\r" + " " * self._width + "\r")
            self._stream.flush()
            self._width = 0

    def _draw(self, event: str) -> None:
        now = time.monotonic()
        terminal = self._stream.isatty()
        if not self.total or (not terminal and (event != "progress" or now - self._last < _LOG_EVERY_S)):
            return
        self._last = now
        seconds = now - self._began
        remaining = self.total - self.done
        left = f", about {_clock(seconds / self.done * remaining)} left" if self.done > 2 and remaining else ""
        failed = f", {len(self.failed)} FAILED" if self.failed else ""
        running = next(reversed(self._running.values()), "")
        line = f"{self._title} [{self.done}/{self.total}] {_clock(seconds)}{left}{failed}  {running}"
        if terminal:
            self._stream.write("\r" + line[:119].ljust(self._width))
            self._width = min(len(line), 119)
        else:
            self._stream.write(line + "\n")
        self._stream.flush()


def _name(record: Any) -> str:
    return " ".join([record.rule_name, *map(str, dict(record.wildcards or {}).values())])


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
