import hashlib
import os
from pathlib import Path

import pytest
from support import small_crema_d as small

from affectstore.media.probe import Probe
from affectstore.preflight import hashes

LONG_AGO_NS = 1_600_000_000_000_000_000
PATHS = ["a.wav", "b.wav", "c.wav"]


class Media:
    """Three sounds, and a count of what is read of them."""

    def __init__(self, folder: Path, monkeypatch):
        self.root, self.memory = folder / "media", folder / "memory.parquet"
        self.root.mkdir()
        for number, path in enumerate(PATHS):
            self.write(path, small.sound(100.0 + number))
        self.hashed: list[str] = []
        self.probed: list[str] = []
        self._count(monkeypatch, "digest_file", self.hashed)
        self._count(monkeypatch, "probe", self.probed)

    def _count(self, monkeypatch, name: str, calls: list[str]) -> None:
        real = getattr(hashes, name)

        def counted(path: Path):
            calls.append(path.name)
            return real(path)

        monkeypatch.setattr(hashes, name, counted)

    def write(self, path: str, content: bytes, mtime_ns: int = LONG_AGO_NS) -> None:
        (self.root / path).write_bytes(content)
        os.utime(self.root / path, ns=(mtime_ns, mtime_ns))

    def describe(self, paths=PATHS, **options):
        self.hashed.clear()
        self.probed.clear()
        return hashes.describe_files(self.root, paths, self.memory, **options).set_index("path")


@pytest.fixture
def media(tmp_path: Path, monkeypatch) -> Media:
    return Media(tmp_path, monkeypatch)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_files_are_read_once(media: Media):
    first = media.describe()
    assert sorted(media.hashed) == sorted(media.probed) == PATHS
    assert first.loc["b.wav", "sha256"] == sha256(small.sound(101.0))
    assert first["has_audio"].all()
    assert not first["has_video"].any()
    assert (first["problem"] == "").all()
    written = media.memory.stat().st_mtime_ns
    again = media.describe()
    assert media.hashed == media.probed == []
    assert again.equals(first)
    assert media.memory.stat().st_mtime_ns == written


def test_a_touched_file_keeps_its_digest(media: Media):
    first = media.describe()
    os.utime(media.root / "b.wav", ns=(LONG_AGO_NS + 1, LONG_AGO_NS + 1))
    again = media.describe()
    assert (media.hashed, media.probed) == (["b.wav"], [])
    assert again["sha256"].equals(first["sha256"])
    media.describe()
    assert media.hashed == []


def test_other_bytes_of_the_same_size_have_another_digest(media: Media):
    first = media.describe()
    changed = small.sound(555.0)
    assert len(changed) == (media.root / "b.wav").stat().st_size
    media.write("b.wav", changed, LONG_AGO_NS + 1)
    again = media.describe()
    assert media.hashed == media.probed == ["b.wav"]
    assert again.loc["b.wav", "sha256"] == sha256(changed)
    assert again["sha256"].drop("b.wav").equals(first["sha256"].drop("b.wav"))


def test_only_paranoia_sees_a_change_that_hides_its_time(media: Media):
    media.describe()
    changed = small.sound(555.0)
    media.write("b.wav", changed)
    assert media.describe().loc["b.wav", "sha256"] != sha256(changed)
    assert media.hashed == []
    assert media.describe(paranoid=True).loc["b.wav", "sha256"] == sha256(changed)
    assert sorted(media.hashed) == PATHS
    assert media.describe().loc["b.wav", "sha256"] == sha256(changed)


def test_a_file_read_just_after_it_was_written_is_read_again(media: Media):
    """A change within the file system's clock tick would bear the same time."""
    (media.root / "b.wav").write_bytes(small.sound(555.0))
    media.describe()
    media.describe()
    assert media.hashed == ["b.wav"]


def test_a_renamed_file_is_hashed_but_not_probed(media: Media):
    media.describe()
    (media.root / "b.wav").rename(media.root / "d.wav")
    again = media.describe(["a.wav", "c.wav", "d.wav"])
    assert (media.hashed, media.probed) == (["d.wav"], [])
    assert again.loc["d.wav", "sha256"] == sha256(small.sound(101.0))
    assert again.loc["d.wav", "audio_s"] == pytest.approx(0.1)


def test_deleted_files_are_forgotten(media: Media):
    media.describe()
    assert media.describe(["a.wav"]).index.tolist() == ["a.wav"]
    assert media.hashed == []
    media.describe()
    assert sorted(media.hashed) == ["b.wav", "c.wav"]


@pytest.mark.parametrize("content", [b"", b"not a table", b"PAR1"])
def test_a_damaged_memory_is_made_anew(media: Media, content: bytes):
    first = media.describe()
    media.memory.write_bytes(content)
    assert media.describe()["sha256"].equals(first["sha256"])
    assert sorted(media.hashed) == PATHS
    media.describe()
    assert media.hashed == []


def test_memory_of_another_folder_or_version_does_not_count(media: Media, tmp_path: Path, monkeypatch):
    media.describe()
    media.root = media.root.rename(tmp_path / "moved")
    media.describe()
    assert sorted(media.hashed) == PATHS
    monkeypatch.setattr(hashes, "VERSION", hashes.VERSION + 1)
    media.describe()
    assert sorted(media.hashed) == PATHS


def test_an_interrupted_scan_goes_on_where_it_was(media: Media, monkeypatch):
    monkeypatch.setattr(hashes, "_BATCH", 1)
    counted = hashes.digest_file

    def stop_at_c(path: Path) -> str:
        if path.name == "c.wav":
            raise KeyboardInterrupt
        return counted(path)

    monkeypatch.setattr(hashes, "digest_file", stop_at_c)
    with pytest.raises(KeyboardInterrupt):
        media.describe(jobs=1)
    monkeypatch.setattr(hashes, "digest_file", counted)
    first = media.describe()
    assert media.hashed == ["c.wav"]
    assert first["sha256"].tolist() == [sha256(small.sound(100.0 + n)) for n in range(3)]


def test_a_file_that_changes_before_it_is_read_is_not_remembered_as_it_was(media: Media, monkeypatch):
    """The cached digest of a file that changes half-way is out of date for the next scan."""
    media.describe()
    media.write("a.wav", small.sound(555.0), LONG_AGO_NS + 1)
    monkeypatch.setattr(hashes, "_BATCH", 1)
    monkeypatch.setattr(hashes, "probe", lambda path: Probe(problem="odd"))
    media.write("b.wav", small.sound(556.0), LONG_AGO_NS + 1)
    real = hashes.digest_file

    def stop_at_b(path: Path) -> str:
        if path.name == "b.wav":
            raise KeyboardInterrupt
        return real(path)

    monkeypatch.setattr(hashes, "digest_file", stop_at_b)
    with pytest.raises(KeyboardInterrupt):
        media.describe(jobs=1)
    monkeypatch.setattr(hashes, "digest_file", real)
    assert media.describe().loc["b.wav", "sha256"] == sha256(small.sound(556.0))


def test_no_media_at_all(media: Media):
    assert len(media.describe([])) == 0
