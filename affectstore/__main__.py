"""`python -m affectstore` is the command line."""

import sys

from affectstore.cli.main import main

sys.exit(main())
