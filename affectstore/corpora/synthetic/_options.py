"""Options of the synthetic corpus."""

from __future__ import annotations

from pydantic import Field

from affectstore.config.base import Settings
from affectstore.corpora.synthetic._plan import MAX_CLIPS


class Options(Settings):
    """Options of the corpus in config.yaml."""

    clips: int = Field(
        default=96,
        ge=1,
        le=MAX_CLIPS,
        description="Number of clips. The first 96 are 8 speakers x 6 emotions x 2; more clips add speakers and "
        "sentences, and leave the earlier ones as they are.",
    )
    seed: int = Field(default=0, ge=0, description="Seed; another one gives other speakers and other takes.")
    fps: int = Field(default=25, ge=8, le=60, description="Frames per second of the videos.")
    width_px: int = Field(default=320, ge=160, le=1280, multiple_of=2, description="Width of the videos.")
    height_px: int = Field(default=240, ge=120, le=960, multiple_of=2, description="Height of the videos.")
