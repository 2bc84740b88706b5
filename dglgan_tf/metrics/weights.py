"""Where the weights of the feature networks are: a path, a cache folder, or a download.

A download is checked against the SHA-256 digits that the publishers put in the names of
these files, and never leaves half a file behind.
"""

import dataclasses
import hashlib
import urllib.request
from pathlib import Path

from dglgan_tf.foundation import atomic

_TIMEOUT_SECONDS = 30


@dataclasses.dataclass(frozen=True)
class PublicFile:
    """A weight file that users have.

    Attributes:
      name: as published.
      url: where it was published; None = not downloaded by this package.
      sha256_start: leading hexadecimal digits of its SHA-256; '' = not known.
    """

    name: str
    url: str | None = None
    sha256_start: str = ""


_GITHUB = "https://github.com"
FILES: dict[str, tuple[PublicFile, ...]] = {
    "inception": (
        PublicFile(
            "pt_inception-2015-12-05-6726825d.pth",
            f"{_GITHUB}/mseitzer/pytorch-fid/releases/download/fid_weights/"
            "pt_inception-2015-12-05-6726825d.pth",
            "6726825d",
        ),
        PublicFile("weights-inception-2015-12-05-6726825d.pth"),
        PublicFile("classify_image_graph_def.pb"),
    ),
    "vgg16": (
        PublicFile(
            "vgg16-397923af.pth",
            "https://download.pytorch.org/models/vgg16-397923af.pth",
            "397923af",
        ),
    ),
}
# Files that users may have and that are something else, with what to say of them.
OTHERS = {
    "inception-2015-12-05.pt": "is a TorchScript program of stylegan2-ada-pytorch",
    "inception-2015-12-05.pkl": "is a pickle that needs NVIDIA's code",
    "inception_v3_features.pkl": "is a pickle that needs NVIDIA's TensorFlow 1 code",
    "inception_v3_softmax.pkl": "is a pickle that needs NVIDIA's TensorFlow 1 code",
    "inception_v3_google-1a9a5a14.pth": "is torchvision's Inception-v3, not FID's",
    "inception_v3_google-0cc3c7bd.pth": "is torchvision's Inception-v3, not FID's",
    "vgg16.pt": "is a TorchScript program of stylegan2-ada-pytorch",
    "vgg16_zhang_perceptual.pkl": "is a pickle that needs NVIDIA's TensorFlow 1 code",
}


def locate(network: str, path=None, folder=None, download: bool = False) -> Path:
    """Returns the weight file of a network.

    Args:
      network: 'inception' or 'vgg16'.
      path: the file itself; wins.
      folder: a cache folder, searched for the published names.
      download: fetch the file into `folder` where it is missing.

    Raises:
      ValueError: nowhere found, another file, or a download that failed; says what to
        put where.
    """
    known = FILES[network]
    names = " or ".join(file.name for file in known)
    if path is not None:
        path = Path(path)
        if path.name in OTHERS:
            raise ValueError(f"{path} {OTHERS[path.name]}: use {names}")
        if not path.is_file():
            raise ValueError(f"no weights of {network} at {path}: put {names} there")
        return path
    if folder is not None:
        for file in known:
            if (Path(folder) / file.name).is_file():
                return Path(folder) / file.name
        if download:
            first = next(file for file in known if file.url)
            return fetch(first, folder)
    place = f"the folder {folder}" if folder else "a folder"
    raise ValueError(
        f"the weights of {network} are not part of this package: put {names} into "
        f"{place} or give its path, or use metrics on [efficientnet_lite0], which "
        "needs no download"
    )


def fetch(file: PublicFile, folder, opener=urllib.request.urlopen) -> Path:
    """Downloads a file into a folder: temporary name, check, rename.

    Raises:
      ValueError: no connection, or another content than published.
    """
    path, digest = Path(folder) / file.name, hashlib.sha256()
    try:
        with atomic.writing(path) as out:
            with opener(file.url, timeout=_TIMEOUT_SECONDS) as response:
                while block := response.read(1 << 20):
                    digest.update(block)
                    out.write(block)
            found = digest.hexdigest()
            if not found.startswith(file.sha256_start):
                raise ValueError(
                    f"{file.url} gave another file (SHA-256 {found[:8]}..., published "
                    f"{file.sha256_start}...): fetch {file.name} by hand into {folder}"
                )
    except OSError as error:
        raise ValueError(
            f"{file.name} could not be fetched from {file.url} ({error}): put it into "
            f"{folder} by hand"
        ) from error
    return path
