"""`python -m affectstore` is the command line."""

import gc
import sys

from affectstore.cli.main import main

status = main()
gc.freeze()  # or the collector walks through all that was imported once more: half a second with torch
sys.exit(status)
