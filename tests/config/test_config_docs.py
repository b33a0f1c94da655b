"""Generated docs and JSON schemas match the models."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
import yaml

from affectstore.reference.pages import generate_pages

ROOT = Path(__file__).parents[2]
FILES = generate_pages()


@pytest.mark.parametrize("path", FILES, ids=str)
def test_generated_files_are_in_step(path: Path) -> None:
    assert (ROOT / path).read_text() == FILES[path], "run `make docs`"


def test_shipped_files_fit_the_schemas() -> None:
    import json

    jsonschema.validate(
        yaml.safe_load((ROOT / "config.yaml").read_text()), json.loads(FILES[Path("docs/config.schema.json")])
    )
    for path in (ROOT / "workflow/experiments").glob("*.yaml"):
        jsonschema.validate(yaml.safe_load(path.read_text()), json.loads(FILES[Path("docs/experiment.schema.json")]))
