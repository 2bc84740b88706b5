"""Copies the networks of a finished recipe into the package, with their provenance.

    python tools/bundle_networks.py --recipe=runs/fashion_biggan --name=fashion_biggan

Writes `dglgan_tf/bundled/NAME_teacher.safetensors` (EMA generator and discriminator),
`NAME_student.safetensors` (stage one: generator, EMA, discriminator) and
`NAME.json` (configuration, seeds, images, scores of every stage).
"""

import hashlib
import json
from pathlib import Path

from absl import flags

from dglgan_tf.cli import entry as command_line
from dglgan_tf.foundation import atomic, run_directory

_RECIPE = flags.DEFINE_string("recipe", None, "Folder of the finished recipe.")
_NAME = flags.DEFINE_string("name", None, "First part of the files' names.")
_ROLES = {
    "teacher": ("generator_ema", "discriminator"),
    "student": ("generator", "generator_ema", "discriminator"),
}
_KEPT = ("images", "d/loss", "g/loss", "scores/student_real", "scores/student_fake")


def _facts(directory: run_directory.RunDirectory) -> dict:
    """Returns what a stage was trained with and where it ended."""
    options = json.loads((directory.path / run_directory.MARKER).read_text())
    lines = (directory.path / "stats.jsonl").read_text().splitlines()
    stats = [json.loads(line) for line in lines]
    kept = [{k: round(s[k], 5) for k in _KEPT if k in s} for s in stats]
    return {
        "seed": options["seed"],
        "version": options["version"],
        "data": options["data"],
        "teachers": [Path(p).parent.name for p in options["teachers"]],
        "seconds": round(stats[-1]["timing/total_sec"]),
        "done": (directory.path / "DONE").read_text().strip(),
        "curve": kept[:: max(1, len(kept) // 20)] + kept[-1:],
    }


def main(argv) -> int:
    """Copies teacher and student and writes the provenance."""
    del argv
    from dglgan_tf.networks import files

    if not _RECIPE.value or not _NAME.value:
        raise ValueError("--recipe and --name must both be given")
    root = Path(_RECIPE.value)
    target = Path(__file__).resolve().parents[1] / "dglgan_tf" / "bundled"
    provenance = {"recipe": f"gin/{_NAME.value}.gin", "stages": {}, "sha256": {}}
    stages = sorted(p.parent.name for p in root.glob("*/DONE"))
    for stage in stages:
        provenance["stages"][stage] = _facts(run_directory.RunDirectory(root / stage))
    for stage, roles in _ROLES.items():
        directory = run_directory.RunDirectory(root / stage)
        if not directory.is_done:
            raise ValueError(f"stage {stage} of {root} is not done: finish it first")
        networks = files.load_networks(directory.latest_snapshot(), roles)
        held = files.read_header(directory.latest_snapshot())["info"]
        info = {
            "source": f"stage {stage} of gin/{_NAME.value}.gin",
            "seed": held["seed"],
            "class_names": held.get("class_names", []),
        }
        path = target / f"{_NAME.value}_{stage}.safetensors"
        files.save_networks(path, networks, info)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        provenance["sha256"][path.name] = digest
        print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB, sha256 {digest}")
    for name in ("scores.csv", "comparison.txt"):
        if (root / name).is_file():
            provenance[name] = (root / name).read_text()
    provenance["gin"] = (root / stages[0] / "config.gin").read_text()
    atomic.write(
        target / f"{_NAME.value}.json", json.dumps(provenance, indent=1) + "\n"
    )
    print("next: run `make quickstart` and look at its pictures")
    return 0


if __name__ == "__main__":
    command_line.run_entry(main)
