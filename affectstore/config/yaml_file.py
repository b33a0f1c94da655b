"""Strict reading of YAML files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from affectstore.errors import ConfigError


class _StrictLoader(yaml.SafeLoader):
    """A safe loader that refuses repeated keys, of which YAML silently keeps the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            if key_node.value in seen:
                line = key_node.start_mark.line + 1
                raise ConfigError(f"{key_node.start_mark.name}, line {line}: key {key_node.value!r} is given twice")
            seen.add(key_node.value)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read the mapping in a YAML file.

    Raises:
        ConfigError: The file is missing, is not YAML, repeats a key or does not hold a mapping.
    """
    try:
        with open(path, encoding="utf-8") as file:
            value = yaml.load(file, _StrictLoader)  # a subclass of SafeLoader
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist (looked in {Path.cwd()})") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not valid YAML: {error}") from None
    if not isinstance(value, dict):
        raise ConfigError(f"{path} must hold a mapping of keys, found {type(value).__name__}")
    return value
