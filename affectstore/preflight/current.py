"""The state that the Snakefile works with: the one `affectstore run` settled, or one of its own."""

from __future__ import annotations

from affectstore.preflight.state import State, settle, state_of_job

_settled: State | None = None


def use(state: State) -> None:
    """Hand a settled state to the Snakefile that is parsed next in this process."""
    global _settled
    _settled = state


def state_of(in_job: bool) -> State:
    """The state for a Snakefile that is being parsed.

    Args:
        in_job: parsed by a job on a cluster node: read the configuration that the driver wrote, and
            judge nothing, since the driver is at work.
    """
    if in_job:
        return state_of_job()
    return _settled if _settled is not None else settle()
