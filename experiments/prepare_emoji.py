"""Makes the colour data set at 64 pixels: emoji of `emoji-datasource-google`.

    npm pack emoji-datasource-google@16.0.0
    python -m experiments.prepare_emoji --package=emoji-datasource-google-16.0.0.tgz \
        --dest=datasets/emoji64.zip

Base glyphs only, no skin tones; the class is the category (nine of them). The images
are Google's Noto emoji (Apache-2.0). The pictures go into a folder of classes, and
`dglgan_tf.prepare` makes the data set of it.
"""

import io
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from absl import flags

from dglgan_tf.cli import entry as command_line

_PACKAGE = flags.DEFINE_string("package", None, "The .tgz of npm.")
_DEST = flags.DEFINE_string("dest", "datasets/emoji64.zip", "The data set to write.")
LEFT_OUT = "Component"  # skin tones and hair, which are no emoji of their own
_LIMIT = 2**20  # bytes of one picture; they have 2 to 10 thousand


def glyphs(package: Path) -> dict[str, list[tuple[str, bytes]]]:
    """Returns {category: [(file name, content of the PNG)]} of the base glyphs.

    Args:
      package: the .tgz file; nothing of it is written anywhere.

    Raises:
      ValueError: it is not this package.
    """
    try:
        with tarfile.open(package, "r:gz") as archive:
            table = json.load(archive.extractfile("package/emoji.json"))
            category = {e["image"]: e["category"] for e in table if e["has_img_google"]}
            found: dict[str, list] = {}
            for member in archive:
                folder, _, name = member.name.rpartition("/")
                kind = category.get(name, LEFT_OUT)
                if folder != "package/img/google/64" or kind == LEFT_OUT:
                    continue
                if member.isfile() and member.size <= _LIMIT:
                    content = archive.extractfile(member).read()
                    found.setdefault(kind, []).append((name, content))
    except (tarfile.TarError, EOFError, KeyError, AttributeError) as error:
        raise ValueError(
            f"{package} is not the package emoji-datasource-google ({error}): fetch it "
            "with npm pack emoji-datasource-google@16.0.0"
        ) from error
    return {kind: sorted(found[kind]) for kind in sorted(found)}


def main(argv) -> int:
    """Writes the data set."""
    del argv
    if _PACKAGE.value is None or not Path(_PACKAGE.value).is_file():
        raise ValueError(
            f"--package={_PACKAGE.value} is no file: fetch it with npm pack "
            "emoji-datasource-google@16.0.0"
        )
    found = glyphs(Path(_PACKAGE.value))
    with tempfile.TemporaryDirectory() as name:
        for kind, pictures in found.items():
            folder = Path(name) / kind.replace(" & ", "_and_").lower()
            folder.mkdir()
            for file_name, content in pictures:
                (folder / file_name).write_bytes(_on_white(content))
        command = [
            sys.executable, "-m", "dglgan_tf.prepare", f"--source={name}",
            f"--dest={_DEST.value}", "--resolution=64", "--transform=center-crop",
            "--channels=3",
        ]  # fmt: skip
        code = subprocess.run(command, check=False).returncode
    if code == 0:
        print(
            f"{_DEST.value}: {sum(map(len, found.values()))} images in {len(found)} "
            "classes; next: python -m experiments.run --suite=emoji_biggan"
        )
    return code


def _on_white(content: bytes) -> bytes:
    """Returns the picture as opaque RGB, 64x64."""
    from PIL import Image

    with Image.open(io.BytesIO(content)) as picture:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        white.alpha_composite(picture)
        stream = io.BytesIO()
        white.convert("RGB").save(stream, "PNG")
    return stream.getvalue()


if __name__ == "__main__":
    command_line.run_entry(main)
