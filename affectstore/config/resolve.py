"""Resolved configuration, which all jobs of a run read, also if config.yaml is edited meanwhile."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from affectstore.config.experiment import Experiment
from affectstore.config.main import Config
from affectstore.config.messages import validated
from affectstore.config.preset import Preset
from affectstore.config.yaml_file import read_yaml
from affectstore.digest import canonical_json, digest
from affectstore.errors import ConfigError, CorpusError, UnknownNameError
from affectstore.paths import RESULTS

EXPERIMENTS = Path("workflow/experiments")
PRESETS = Path("workflow/presets")
_VARIABLE = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True)
class Resolved:
    """config.yaml with its experiment files read and its environment variables replaced.

    Attributes:
        config: Content of config.yaml.
        experiments: Name -> content of each experiment file.
        roots: Corpus -> its folder, if its environment variables are set.
        unset: Corpus -> message about an environment variable that is not set.
    """

    config: Config
    experiments: Mapping[str, Experiment]
    roots: Mapping[str, str]
    unset: Mapping[str, str]

    def root(self, corpus: str) -> Path:
        """Return the folder of a corpus.

        Raises:
            UnknownNameError: config.yaml has no such corpus.
            CorpusError: An environment variable of its path is not set.
        """
        if corpus not in self.config.corpora:
            raise UnknownNameError("corpus in config.yaml", corpus, self.config.corpora)
        if corpus in self.unset:
            raise CorpusError(self.unset[corpus])
        return Path(self.roots[corpus])

    def experiment(self, name: str) -> Experiment:
        """Return the experiment of a file's name.

        Raises:
            UnknownNameError: There is no such file.
        """
        if name not in self.experiments:
            raise UnknownNameError(f"experiment in {EXPERIMENTS}", name, self.experiments)
        return self.experiments[name]

    @cached_property
    def text(self) -> str:
        """Canonical JSON of all of it."""
        return canonical_json(
            {
                "config": self.config.model_dump(mode="json"),
                "experiments": {name: e.model_dump(mode="json") for name, e in self.experiments.items()},
                "roots": dict(self.roots),
                "unset": dict(self.unset),
            }
        )

    @property
    def path(self) -> Path:
        """Path of its file, named by a digest of the content."""
        return RESULTS.configs / f"{digest(json.loads(self.text))[:12]}.json"


def project_root() -> Path:
    """Find the folder that holds workflow/: the working folder, or the checkout that is installed.

    Raises:
        ConfigError: There is none.
    """
    for folder in (Path(), Path(__file__).parents[2]):
        if (folder / "workflow" / "Snakefile").exists():
            return folder.resolve()
    raise ConfigError(f"no workflow/Snakefile in {Path.cwd()}; run this in a checkout of affectstore")


def read_config() -> Resolved:
    """Read and check config.yaml and every experiment file, of the working folder or else of the checkout.

    Raises:
        ConfigError: A key or value is wrong; the message names the file, the key, the value and the known names.
    """
    config_path = Path("config.yaml") if Path("config.yaml").exists() else project_root() / "config.yaml"
    experiments = EXPERIMENTS if EXPERIMENTS.is_dir() else project_root() / EXPERIMENTS
    config = validated(Config, read_yaml(config_path), str(config_path))
    found = {
        path.stem: validated(Experiment, read_yaml(path), str(path)) for path in sorted(experiments.glob("*.yaml"))
    }
    config = _with_presets(config, config_path)
    for name in config.experiments:
        if name not in found:
            raise UnknownNameError(f"experiment in {config_path} (files of {experiments})", name, found)
    roots, unset = {}, {}
    for name, settings in config.corpora.items():
        missing = [variable for variable in _VARIABLE.findall(settings.root) if not os.environ.get(variable)]
        if missing:
            unset[name] = (
                f"corpus {name!r}: its folder {settings.root!r} (corpora.{name}.root in {config_path}) needs the "
                f"environment variable {missing[0]}, which is not set; `export {missing[0]}=/folder/of/corpora`"
            )
        else:
            roots[name] = _VARIABLE.sub(lambda match: os.environ[match[1]], settings.root)
    return Resolved(config, found, roots, unset)


def read_presets() -> dict[str, Preset]:
    """Read every preset, of the working folder or else of the checkout, by name.

    Raises:
        ConfigError: A key or value is wrong; the message names the file, the key, the value and the known names.
    """
    folder = PRESETS if PRESETS.is_dir() else project_root() / PRESETS
    paths = sorted(folder.glob("*.yaml"), key=lambda path: path.stem)
    return {path.stem: validated(Preset, read_yaml(path), str(path)) for path in paths}


def _with_presets(config: Config, config_path: Path) -> Config:
    """Add the features of the presets that the configuration names."""
    if not config.presets:
        return config
    known = read_presets()
    features = dict(config.features)
    for name in config.presets:
        if name not in known:
            raise UnknownNameError(f"preset in {config_path} (files of {PRESETS})", name, known)
        features |= known[name].instances(name)
    return config.model_copy(update={"features": features})


def load_resolved(path: Path) -> Resolved:
    """Read the resolved configuration that a run wrote for its jobs.

    Raises:
        ConfigError: The file is missing or not a resolved configuration.
    """
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
        return Resolved(
            Config(**value["config"]),
            {name: Experiment(**experiment) for name, experiment in value["experiments"].items()},
            value["roots"],
            value["unset"],
        )
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(f"{path} is not a resolved configuration: {error}") from None
