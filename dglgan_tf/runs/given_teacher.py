"""A teacher as somebody has it: any checkpoint, a run, a bundled name."""

import dataclasses
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

from dglgan_tf.converters import conversion
from dglgan_tf.foundation import atomic, run_directory
from dglgan_tf.networks import files

NAME = "networks.safetensors"
_CHUNK = 2**20


@dataclasses.dataclass(frozen=True)
class Teacher:
    """What was found.

    Attributes:
      name: as it was given.
      path: its networks as a file of this package.
      sha256: of what was given.
      networks: {role: {'class', 'config'}}.
    """

    name: str
    path: Path
    sha256: str
    networks: dict[str, dict]

    @property
    def generator(self) -> dict:
        """Class and configuration of the generator that images are drawn with."""
        return self.networks.get("generator_ema") or self.networks["generator"]

    @property
    def discriminator(self) -> dict | None:
        """Those of the discriminator that guides; None where the file has none."""
        return self.networks.get("discriminator")


def find(name: str, cache: Path, say: Callable[[str], None]) -> Teacher:
    """Finds a teacher, and converts it where it is another package's.

    Args:
      name: whatever `converters` read, a run directory, a .safetensors file of this
        package, 'bundled/NAME'.
      cache: folder that keeps conversions, by the SHA-256 of what was given.
      say: takes lines about the conversion.

    Raises:
      ValueError: nothing there, no generator, or a file that cannot be converted.
    """
    path = _own(name)
    if path is None:
        if not Path(name).exists():
            raise ValueError(
                f"no teacher at {name!r}: name a checkpoint, a run directory or "
                "bundled/NAME"
            )
        digest = sha256(Path(name))
        path = _converted(name, Path(cache) / "teachers" / digest, say)
    else:
        digest = sha256(path)
    networks = files.read_header(path).get("networks", {})
    if not {"generator", "generator_ema"} & networks.keys():
        raise ValueError(
            f"teacher {name} holds {sorted(networks) or 'no network'} and no "
            "generator: a student is made from one"
        )
    return Teacher(name, path, digest, networks)


def _own(name) -> Path | None:
    """Returns weights of this package, or None where a conversion is needed."""
    place = Path(name)
    is_run = place.is_dir() and run_directory.RunDirectory(place).latest_snapshot()
    if name.startswith("bundled/") or is_run:
        return run_directory.find_weights(name)
    if place.is_file() and place.suffix == ".safetensors":
        return place
    return None


def _converted(name, folder: Path, say) -> Path:
    if (folder / NAME).is_file():
        say(f"teacher {name} was converted before: {folder / NAME}")
        return folder / NAME
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    conversion.convert(name, partial, say=say)
    partial.replace(folder)
    return folder / NAME


def sha256(path: Path) -> str:
    """Returns the hash of a file, or of a folder's files with their names."""
    found = hashlib.sha256()
    parts = [path] if path.is_file() else sorted(p for p in path.rglob("*"))
    for part in parts:
        if not part.is_file():
            continue
        if part is not path:
            found.update(f"{part.relative_to(path)}\0".encode(errors="surrogateescape"))
        with open(part, "rb") as file:
            while chunk := file.read(_CHUNK):
                found.update(chunk)
    return found.hexdigest()


def keep(teacher: Teacher, folder: Path) -> Path:
    """Copies a teacher's networks, and what is known of their conversion, to a folder.

    Returns:
      the networks' path.
    """
    target = folder / NAME
    if not target.is_file():
        for extra in ("report.json", "contact_sheet.png"):
            beside = teacher.path.with_name(extra)
            if teacher.path.name == NAME and beside.is_file():
                atomic.write(folder / extra, beside.read_bytes())
        atomic.write(target, teacher.path.read_bytes())
    return target
