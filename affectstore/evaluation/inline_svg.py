"""Figures as part of a page: no outside reference, no clashing ids, and colours that follow the page's theme."""

from __future__ import annotations

import re

from affectstore.evaluation.style import GRID, INK, PAPER, QUIET

_THEME = {INK: "var(--ink)", QUIET: "var(--quiet)", GRID: "var(--grid)", PAPER: "var(--paper)"}


def inline_svg(svg: str, prefix: str, label: str) -> str:
    """An SVG document as an element of an HTML page.

    Args:
        svg: as `style.save` wrote it.
        prefix: put before every id, so that several figures can stand on one page.
        label: what the figure shows, for those who do not see it.
    """
    start = svg.index("<svg")
    body = re.sub(r"<metadata>.*?</metadata>", "", svg[start:], flags=re.DOTALL)
    body = re.sub(r'(\bid="|href="#|url\(#)', rf"\1{prefix}-", body)
    for colour, variable in _THEME.items():
        body = body.replace(colour, variable)
    head, _, rest = body.partition(">")
    head = re.sub(r'\s(?:width|height)="[^"]*"', "", head)
    width = re.search(r'viewBox="0 0 ([\d.]+)', head)
    # Never wider than it was drawn for: small tables would get huge letters.
    size = f"width:100%;max-width:{1.25 * float(width[1]):.0f}px;height:auto" if width else "width:100%"
    safe = label.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return f'{head} role="img" aria-label="{safe}" style="{size}">{rest}'.strip()
