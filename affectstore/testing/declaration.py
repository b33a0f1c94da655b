"""Tests of `SPEC` and `Options`, shared by the contract suites of all kinds of files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

import pydantic
import pytest


class DeclarationContract:
    """Tests of a file that declares `SPEC` and `Options`.

    Attributes:
        member: The file: the imported module.
        options: Options that the tests build it with; keep it small. By default those of the file.
    """

    member: ClassVar[Any] = None
    options: ClassVar[Mapping[str, Any]] = {}

    @pytest.fixture
    def declared(self) -> Any:
        """The file under test; override it with a parametrised fixture to test several."""
        assert self.member is not None, f"{type(self).__name__} sets no `member`: the module under test"
        return self.member

    @pytest.fixture
    def small_options(self, declared: Any) -> Any:
        """Options that the file is built with."""
        return declared.Options(**self.options)

    def test_the_declaration_is_complete(self, declared: Any) -> None:
        """Version, summary and the description of every option are there."""
        assert declared.SPEC.version >= 1
        assert declared.SPEC.summary
        for name, field in declared.Options.model_fields.items():
            assert field.description, f"option {name!r} has no description"

    def test_options_survive_json_and_are_checked(self, declared: Any, small_options: Any) -> None:
        """Options written as JSON are the same when they are read; unknown keys and changes are refused."""
        for options in (declared.Options(), small_options):
            written = json.loads(json.dumps(options.model_dump(mode="json")))
            assert declared.Options(**written) == options
            assert declared.Options(**written).model_dump(mode="json") == written
        with pytest.raises(pydantic.ValidationError, match="Extra inputs"):
            declared.Options(no_such_option=1)
        assert declared.Options.model_config["frozen"]
