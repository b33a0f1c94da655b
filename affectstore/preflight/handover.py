"""Handing the planned state to the Snakefile that this process parses next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from affectstore.preflight.state import State, plan_all, state_of_job

_planned: ContextVar[State] = ContextVar("planned")


@contextmanager
def handed_over(state: State) -> Iterator[None]:
    """Let the Snakefile that is parsed inside use this state."""
    token = _planned.set(state)
    try:
        yield
    finally:
        _planned.reset(token)


def state_for(in_job: bool) -> State:
    """State for a Snakefile that is being parsed: the one that is handed over, or else a new one.

    Args:
        in_job: Parsed by a job on a cluster node: only the configuration that the driver wrote is read, and nothing is
            planned, since the driver is at work.
    """
    if in_job:
        return state_of_job()
    return _planned.get(None) or plan_all()
