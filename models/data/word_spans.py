"""Alignment of the other modalities' steps with the words of a clip, by the stored times of their features."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from affectstore.errors import IntegrityError, StoreError
from affectstore.models.cells.recipe import Recipe
from affectstore.models.data.sequences import pool_factor
from affectstore.models.spec import TrainingError
from affectstore.timeline import rows_inside


@dataclass(frozen=True)
class WordSpans:
    """Steps under the words of every clip, on the CPU.

    Attributes:
        values: Modality -> int64 (word, 2), the clips' words joined: the first and the last + 1 of the modality's steps
            under each.
        edges: int64 (clip + 1,): clip k is words edges[k]:edges[k + 1].
    """

    values: Mapping[str, Tensor]
    edges: Tensor

    def gather(self, place: Tensor, device: torch.device) -> dict[str, Tensor]:
        """Spans of the clips at these places: modality -> int64 (clip, word, 2), (0, 0) after a clip's last word."""
        begins, lengths = self.edges[place], self.edges.diff()[place]
        word = torch.arange(int(lengths.max()))
        mask = word < lengths[:, None]
        rows = torch.where(mask, begins[:, None] + word, begins[:, None])
        return {m: (spans[rows] * mask[..., None]).to(device) for m, spans in self.values.items()}


def find_untimed(store: Any, recipe: Recipe, clip_ids: Iterable[str]) -> dict[str, str]:
    """Clip id -> reason, for clips that a fusion cannot align with words because times are unknown.

    Args:
        store: An open store.
        recipe: Recipe of the network; other fusions leave nothing out.
        clip_ids: Clips that are usable in every feature.
    """
    reasons: dict[str, str] = {}
    if recipe.words is None:
        return reasons
    features = {recipe.inputs[m]: "words" if m == recipe.words else "rows" for m in recipe.modalities}
    for clip_id in clip_ids:
        for feature, rows in features.items():
            try:
                store[feature].spans_ns(clip_id)
            except IntegrityError:
                raise
            except StoreError:
                reasons.setdefault(clip_id, f"{feature}: the times of its {rows} are not known")
    return reasons


def load_spans(store: Any, recipe: Recipe, clip_ids: Iterable[str]) -> WordSpans:
    """Align the steps of some clips with their words.

    Under a word are the rows whose middles lie in it, or else the nearest row. Where the words themselves are averaged,
    one of their steps spans from its first word to its last; a step that `sequences.prepend` puts before them spans the
    whole clip.

    Args:
        store: An open store.
        recipe: Recipe of a network whose fusion aligns modalities with words.
        clip_ids: Clips for which `find_untimed` has no reason.

    Raises:
        TrainingError: The rows of the feature of the words are not words.
    """
    if recipe.words is None or recipe.fusion is None:
        raise TrainingError("this fusion does not align modalities with words")
    words = store[recipe.inputs[recipe.words]]
    if words.spec.dims[0] != "word":
        raise TrainingError(
            f"fusion {recipe.fusion.name!r} aligns modalities with words, and feature {recipe.inputs[recipe.words]!r} "
            f"has one row per {words.spec.dims[0]}; choose one with `rows: words` under `inputs.{recipe.words}`"
        )
    others = [modality for modality in recipe.modalities if modality != recipe.words]
    found: dict[str, list[np.ndarray]] = {modality: [] for modality in others}
    edges = [0]
    for clip_id in clip_ids:
        spoken = words.spans_ns(clip_id)
        for modality in others:
            rows = store[recipe.inputs[modality]].spans_ns(clip_id)
            found[modality].append(_steps_under(rows_inside(rows, spoken), len(rows), recipe, modality))
        edges.append(edges[-1] + len(found[others[0]][-1]))
    values = {modality: torch.from_numpy(np.concatenate(spans)) for modality, spans in found.items()}
    return WordSpans(values, torch.tensor(edges))


def _steps_under(spans: np.ndarray, rows: int, recipe: Recipe, modality: str) -> np.ndarray:
    """Convert rows under each word to steps under each step of the words, int64 (step, 2).

    Args:
        spans: int64 (word, 2), first and last + 1 of the rows.
        rows: Number of rows of the clip.
        recipe: Settings by which both are averaged, and of prepended steps.
        modality: Modality of the rows.
    """
    settings, words = recipe.sequences, str(recipe.words)
    together, pool = pool_factor(len(spans), settings, words), pool_factor(rows, settings, modality)
    starts = np.arange(0, len(spans), together)
    first = np.minimum.reduceat(spans[:, 0], starts) // pool
    last = -(-np.maximum.reduceat(spans[:, 1], starts) // pool)
    before = int(modality in settings.prepend)
    steps = np.stack([first, last], axis=1) + before
    if words in settings.prepend:
        whole = np.array([[0, -(-rows // pool) + before]])
        steps = np.concatenate([whole, steps])
    return steps.astype(np.int64)
