"""Folders of transformers models: found on this machine, verified, and explained where they are missing.

A model is named by its id on the Hugging Face hub (`google-bert/bert-base-uncased`) and revision, or by a
folder. By id it is looked for in `weights/<organisation>--<name>/` of the working folder, then in the hub's
cache. Nothing here opens a connection: a model that is missing is a message with the command that gets it.
Weights are read from safetensors only, which hold no code.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from affectstore.digest import digest
from affectstore.errors import ConfigError
from affectstore.weights.find import FOLDER
from affectstore.weights.remembered import remembered_digest

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
WEIGHTS_INDEX = "model.safetensors.index.json"
#: Kinds of files that a model may need beside its configuration and weights; one name of each kind has to be there.
TOKENIZER = ("tokenizer.json", "vocab.txt", "vocab.json")
PREPROCESSOR = ("preprocessor_config.json", "processor_config.json")

#: Everything else that changes what a model gives; what is not there counts as absent.
_ALSO_READ = (
    *TOKENIZER,
    *PREPROCESSOR,
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "merges.txt",
    "normalizer.json",
    "sentencepiece.bpe.model",
    "spiece.model",
    "generation_config.json",
)
_ID = re.compile(r"[\w][\w.-]*(/[\w][\w.-]*)?", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}")
#: Organisations whose models had ids without one; older caches still call them so.
_ONCE_WITHOUT = frozenset({"google-bert", "FacebookAI", "distilbert", "albert"})


@dataclass(frozen=True)
class Published:
    """A model that is known here.

    Attributes:
        used_by: the extractor, or the encoder and the option, that asks for it.
        revision: the commit or branch that is meant where none is asked for.
        sha256: of its `model.safetensors`; None where no reliable one is known.
        hidden_size: width of its hidden states.
    """

    used_by: str
    revision: str
    sha256: str | None
    hidden_size: int


#: By id.
KNOWN: Mapping[str, Published] = {
    "google-bert/bert-base-uncased": Published(
        "bert",
        "86b5e0934494bd15c9632b12f734a8a67f723594",
        "68d45e234eb4a928074dfd868cead0219ab85354cc53d20e772753c6bb9169d3",
        768,
    ),
    "facebook/wav2vec2-base-960h": Published(
        "transcript",
        "22aad52d435eb6dbaf354bdad9b0da84ce7d6156",
        "8aa76ab2243c81747a1f832954586bc566090c83a0ac167df6f31f0fa917d74a",
        768,
    ),
    "google/vit-base-patch16-224-in21k": Published("pt_vit with `weights: google/...`", "main", None, 768),
    "MCG-NJU/videomae-base-finetuned-kinetics": Published("videomae with `weights: MCG-NJU/...`", "main", None, 768),
}


@dataclass(frozen=True)
class ModelName:
    """Which model is meant.

    Attributes:
        model: id on the hub, or a folder.
        revision: branch, tag or commit of an id; None for the known one, else "main".
        sha256: what `model.safetensors` must have; None for the known one, else anything.
    """

    model: str
    revision: str | None = None
    sha256: str | None = None

    @property
    def is_folder(self) -> bool:
        """Whether `model` names a folder."""
        return self.model.startswith((".", "/", "~")) or Path(self.model, CONFIG).is_file()

    @property
    def known(self) -> Published | None:
        """What is known of the model in this revision."""
        known = None if self.is_folder else KNOWN.get(self.model)
        return known if known is not None and self.revision in (None, known.revision) else None

    @property
    def wanted_revision(self) -> str:
        """The revision that is looked for."""
        return self.revision or (self.known.revision if self.known else "main")

    @property
    def wanted_sha256(self) -> str | None:
        """The digest that the weights must have, or None for any."""
        return self.sha256 or (self.known.sha256 if self.known else None)


@dataclass(frozen=True)
class ModelFolder:
    """A model that is here, verified.

    Attributes:
        folder: where its files lie.
        digests: sha256 of every file that changes what it gives, by name.
    """

    folder: Path
    digests: Mapping[str, str]

    @property
    def digest(self) -> str:
        """One digest over its files; the same wherever they lie."""
        return digest(dict(self.digests))

    @property
    def network_digest(self) -> str:
        """The same over configuration and weights alone, for who reads no tokenizer and no preprocessor."""
        return digest({name: sha256 for name, sha256 in self.digests.items() if name not in _ALSO_READ})

    def config(self) -> dict[str, Any]:
        """What its config.json holds.

        Raises:
            ConfigError: it is no JSON object.
        """
        return _json(self.folder / CONFIG)


def find_model(name: ModelName, needs: Sequence[tuple[str, ...]] = (), *, weights: bool = True) -> ModelFolder:
    """The folder of a model, complete and verified.

    Args:
        name: which model.
        needs: kinds of files that it needs beside configuration and weights (`TOKENIZER`, `PREPROCESSOR`).
        weights: whether it needs weights; without them it gives the shape of a network only.

    Raises:
        ConfigError: it is in none of its places, or not whole (the message says where it was looked for, and how
            to get it); or its weights have another digest, or are pickles.
    """
    problems = []
    for place, folder in _places(name).items():
        problem = "not there" if folder is None or not folder.is_dir() else _lack(folder, needs, weights)
        if folder is not None and not problem:
            return ModelFolder(folder, _verified(folder, name, weights))
        problems.append(f"{place} ({problem})")
    raise ConfigError(
        f"model {name.model!r} (revision {name.wanted_revision}) is not on this machine; looked for in "
        f"{', '.join(problems)}. {_remedy(name, needs)}"
        if not name.is_folder
        else f"model folder {problems[0]}: it needs {CONFIG}, {WEIGHTS}"
        + "".join(f", {' or '.join(kind)}" for kind in needs)
    )


def _places(name: ModelName) -> dict[str, Path | None]:
    """Folders to look in, in this order, by what a message calls them."""
    if name.is_folder:
        folder = Path(name.model).expanduser()
        return {str(folder.absolute()): folder}
    if not _ID.fullmatch(name.model):
        raise ConfigError(
            f"model {name.model!r} is neither a folder nor an id like google-bert/bert-base-uncased; "
            "a folder is written with a path that begins with ./, / or ~"
        )
    from huggingface_hub import constants, try_to_load_from_cache

    own = FOLDER / name.model.replace("/", "--")
    places: dict[str, Path | None] = {str(own.absolute()): own}
    organisation, _, bare = name.model.partition("/")
    for repository in (name.model, *([bare] if organisation in _ONCE_WITHOUT else [])):
        cached = try_to_load_from_cache(
            repository, CONFIG, cache_dir=constants.HF_HUB_CACHE, revision=name.wanted_revision
        )
        place = f"{constants.HF_HUB_CACHE}/models--{repository.replace('/', '--')}"
        places[place] = Path(cached).parent if isinstance(cached, str) else None
    return places


def _lack(folder: Path, needs: Sequence[tuple[str, ...]], weights: bool) -> str:
    """What a folder lacks to be a whole model; empty where it is one."""
    missing = [] if (folder / CONFIG).is_file() else [CONFIG]
    missing += [" or ".join(kind) for kind in needs if not any((folder / file).is_file() for file in kind)]
    if weights:
        missing += [file for file in _weight_files(folder) or [WEIGHTS] if not (folder / file).is_file()]
    pickled = sorted(path.name for path in folder.glob("pytorch_model*.bin"))
    if pickled and WEIGHTS in missing:
        return (
            f"its weights {pickled[0]} are a pickle, which is not loaded; convert them once where they are trusted, by "
            f"AutoModel.from_pretrained(folder).save_pretrained(folder), or get {WEIGHTS}"
        )
    return f"it lacks {', '.join(missing)}" if missing else ""


def _weight_files(folder: Path) -> list[str]:
    """Names of the files that the weights are in; none where there are no weights."""
    if (folder / WEIGHTS).is_file():
        return [WEIGHTS]
    if not (folder / WEIGHTS_INDEX).is_file():
        return []
    parts = _json(folder / WEIGHTS_INDEX).get("weight_map")
    if not isinstance(parts, dict) or not all(
        isinstance(part, str) and Path(part).name == part for part in parts.values()
    ):
        raise ConfigError(f"{folder / WEIGHTS_INDEX} does not say which files of its folder hold the weights")
    return [WEIGHTS_INDEX, *sorted(set(parts.values()))]


def _verified(folder: Path, name: ModelName, weights: bool) -> dict[str, str]:
    """Digests of the files by name.

    Raises:
        ConfigError: one cannot be read, or is not what its name or the caller says.
    """
    files = [CONFIG, *(file for file in _ALSO_READ if (folder / file).is_file())]
    heavy = _weight_files(folder) if weights else []
    digests = {}
    for file in sorted({*files, *heavy}):
        try:
            digests[file] = remembered_digest(folder / file)
        except OSError as error:
            raise ConfigError(f"{folder / file} cannot be read: {error.strerror or error}") from error
        blob = (folder / file).resolve()
        # The hub's cache calls large files by their digest.
        if blob.parent.name == "blobs" and _SHA256.fullmatch(blob.name) and blob.name != digests[file]:
            raise ConfigError(
                f"{folder / file} is damaged: its sha256 is {digests[file]}; delete {blob} and get it again"
            )
    wanted = name.wanted_sha256
    if weights and wanted is not None and digests.get(WEIGHTS) != wanted:
        raise ConfigError(
            f"{folder / WEIGHTS} is not the file that is meant by {name.model} (revision {name.wanted_revision}): its "
            f"sha256 is {digests.get(WEIGHTS, 'none, as the weights are in several files')}, expected {wanted}; "
            "delete the folder and get it again, or name it as a folder of its own (./weights/...)"
        )
    return digests


def _remedy(name: ModelName, needs: Sequence[tuple[str, ...]]) -> str:
    files = ["*.json", "*.txt", "*.safetensors"] if needs else [CONFIG, "*.safetensors"]
    include = " ".join(f"--include '{file}'" for file in files)
    folder = (FOLDER / name.model.replace("/", "--")).absolute()
    return (
        f"See https://huggingface.co/{name.model}/tree/{name.wanted_revision}; where there is a network, get it with: "
        f"hf download {name.model} --revision {name.wanted_revision} {include} --local-dir {folder}"
    )


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(value, dict):
        raise ConfigError(f"{path} holds no JSON object")
    return value
