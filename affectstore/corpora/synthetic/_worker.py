"""Generate the clips that standard input lists: `python -m affectstore.corpora.synthetic._worker`.

A process of its own instead of a process pool: a pool that spawns would import the caller's main module again, which
fails under `python -m snakemake`, and one that forks inherits the caller's threads.

Request (JSON): root, options, names. Answer: one line per clip, its name and the digest of its video.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from affectstore.corpora._crema_d_names import parse
from affectstore.corpora.synthetic._clip import make
from affectstore.corpora.synthetic._options import Options
from affectstore.digest import digest_file
from affectstore.errors import AffectstoreError


def main() -> int:
    """Generate the clips; exit with status 1 and a reason on standard error if one cannot be generated."""
    request = json.load(sys.stdin)
    options = Options(**request["options"])
    for stem in request["names"]:
        try:
            video = make(Path(request["root"]), parse(stem), options)
        except (AffectstoreError, OSError) as error:
            print(f"{stem}: {error}", file=sys.stderr)
            return 1
        print(stem, digest_file(video), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
