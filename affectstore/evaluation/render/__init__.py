"""Tables and figures of results as Markdown, TeX, CSV, SVG, PNG and HTML."""
