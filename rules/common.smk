"""State of the preflight and input functions for all rules; no rules."""

import shutil
import sys
from pathlib import Path

from affectstore.errors import AffectstoreError
from affectstore.preflight.handover import state_for

try:
    STATE = state_for(in_job=not workflow.is_main_process)
except AffectstoreError as error:
    raise WorkflowError(str(error))

PYTHON = sys.executable
CONFIG = str(STATE.config_file)


wildcard_constraints:
    corpus=r"[A-Za-z0-9_-]+",
    feature=r"[A-Za-z0-9_.-]+",
    shard=r"\d{3}",
    protocol=r"[A-Za-z0-9_]+",
    experiment=r"[A-Za-z0-9_.-]+",
    cell=r"[A-Za-z0-9_.-]+",
    fold=r"\d+",


def forced():
    """Test if jobs are forced: then the graph needs every edge, not only those of outputs that have to be made."""
    settings = workflow.dag_settings  # none yet while the file is parsed
    return settings is not None and bool(settings.forceall or settings.forcerun)


def report_errors(function):
    """Turn an AffectstoreError into Snakemake's own error, which is one message."""

    def wrapped(wildcards):
        try:
            return function(wildcards)
        except AffectstoreError as error:
            raise WorkflowError(str(error))

    return wrapped


@report_errors
def default_targets(_):
    return STATE.targets(STATE.resolved.config.experiments)


@report_errors
def store_targets(_):
    return STATE.catalogs()


@report_errors
def upstream_ledgers(wildcards):
    return STATE.upstream_ledgers(
        wildcards.corpus, wildcards.feature, wildcards.shard, forced()
    )


@report_errors
def shard_ledgers(wildcards):
    return STATE.ledgers(wildcards.corpus, wildcards.feature, forced())


@report_errors
def cell_inputs(wildcards):
    return STATE.cell_inputs(
        wildcards.experiment, wildcards.cell, int(wildcards.fold), forced()
    )


@report_errors
def experiment_markers(wildcards):
    return STATE.markers(wildcards.experiment, forced())


@report_errors
def skipped_list(wildcards):
    return STATE.skipped_list(wildcards.experiment)


@report_errors
def report_inputs(_):
    return STATE.tables(STATE.wanted)


@report_errors
def feature_digest(wildcards):
    return STATE.feature(wildcards.feature).digest


@report_errors
def cell_digest(wildcards):
    return STATE.cell(wildcards.experiment, wildcards.cell, int(wildcards.fold)).config


@report_errors
def runs_network(wildcards):
    return STATE.feature(wildcards.feature).spec.gpu


def extract_gpus(wildcards):
    return gpus() if runs_network(wildcards) else 0


def extract_mem_mb(wildcards):
    return 6000 if runs_network(wildcards) else 3000


def gpus(*_):
    """One GPU per job if there are any or a scheduler assigns them, else none."""
    return int(not workflow.local_exec or shutil.which("nvidia-smi") is not None)


def training_processes(_, resources):
    """One process per GPU, or as many as the resource `processes` sets."""
    return max(1, resources.get("processes", resources.get("gpu", 0)))


def training_threads(_, threads, resources):
    """Threads of each process."""
    return max(1, threads // training_processes(_, resources))
