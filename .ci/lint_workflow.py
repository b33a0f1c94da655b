"""Run `snakemake --lint` without its request for a conda environment in every rule.

A rule's environment would be decoration: jobs run in the Python that runs Snakemake.
"""

import sys

from snakemake.cli import main
from snakemake.linting.rules import RuleLinter

del RuleLinter.lint_missing_software_definition
main(["--lint", *sys.argv[1:]])
