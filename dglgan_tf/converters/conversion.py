"""The whole conversion of a checkpoint: load, prove, write, report."""

import json
from pathlib import Path

import numpy as np

from dglgan_tf.containers.errors import CheckpointError
from dglgan_tf.converters import exporting, loading, result
from dglgan_tf.foundation import atomic, pictures, seeding, sentences

NETWORKS_FILE = "networks.safetensors"
SHEET_PIXELS = 2048
_SHEET_IMAGES = 16


def convert(
    source, dest, config=None, reference=None, to=None, jit=False, say=None
) -> bool:
    """Converts a checkpoint and proves the result.

    Writes into `dest`: `networks.safetensors` (what gin names as a teacher),
    `contact_sheet.png`, `report.json`; with `to` the same networks in the layout of
    another code base.

    Args:
      source: anything that `load_checkpoint` reads.
      dest: folder; made where it is missing.
      config: dict of arguments that overrides what the file implies.
      reference: path of an `.npz` with expected outputs.
      to: None or a layout of `export_checkpoint`.
      jit: whether parity is computed under XLA.
      say: function of one line, for the report as it comes; None = silent.

    Returns:
      Whether every compared output was within its tolerance (True without any).

    Raises:
      CheckpointError: with one sentence.
    """
    say = say or (lambda line: None)
    source, dest = Path(source), Path(dest)
    if dest.exists() and not dest.is_dir():
        raise CheckpointError(f"dest={dest} is a file: name a folder")
    arrays = _reference(reference)
    loaded = loading.load_checkpoint(source, config)
    for line in facts(loaded):
        say(line)
    report = {**loaded.report, "family": loaded.family, "config": loaded.config}
    report["shapes"] = _shapes(loaded)
    rows = []
    if arrays is not None:
        rows, left_out = _prove(loaded, arrays, jit, say)
        report["parity"] = {
            r.name: {"error": r.error, "tolerance": r.tolerance, "passed": r.passed}
            for r in rows
        }
        report["not_compared"] = left_out
    written = _write(loaded, dest, to, report)
    for path in written:
        say(f"wrote {path}")
    say(_next_step(loaded, dest))
    return all(row.passed for row in rows)


def _reference(path):
    from dglgan_tf.converters.parity import check

    return None if path is None else check.load_reference(path)


def facts(loaded: result.Loaded) -> list[str]:
    """Returns the lines that say what was found."""
    report = loaded.report
    lines = [f"source         {report['source']}", f"format         {report['format']}"]
    hashes = report["sha256"]
    if isinstance(hashes, str):
        hashes = {"": hashes}
    lines += [
        f"SHA-256        {digest} {name}".rstrip() for name, digest in hashes.items()
    ]
    lines.append(f"family         {loaded.family}")
    for name, value in loaded.config.items():
        if name != "discriminator":
            lines.append(f"  generator.{name} = {value}")
    for name, value in loaded.config.get("discriminator", {}).items():
        lines.append(f"  discriminator.{name} = {value}")
    lines += [_network_line(loaded, role) for role in report["parameters"]]
    if loaded.discriminator is None:
        lines.append(
            "discriminator  NONE in this file: guidance needs one; fit one to this "
            "generator and real data with gin/fit_discriminator.gin"
        )
    else:
        lines.append("discriminator  in this file: it can be a teacher")
    ignored = report["ignored"]
    if ignored:
        some = ", ".join(ignored[:6]) + (", ..." if len(ignored) > 6 else "")
        lines.append(f"ignored        {len(ignored)} that no network needs: {some}")
    return lines + [f"note           {note}" for note in report["notes"]]


def _network_line(loaded, role) -> str:
    network = getattr(loaded, role)
    side = f"{network.resolution}, {network.resolution}, {network.num_channels}"
    labels = f", labels of {network.num_classes} classes" if network.num_classes else ""
    what = f"images [N, {side}]{labels} -> logits [N]"
    if role != "discriminator":
        what = f"z [N, {network.z_dim}]{labels} -> images [N, {side}]"
    count = loaded.report["parameters"][role]
    arrays = len(network.variables)
    return f"{role:14} {what}; {count:,} parameters, {arrays} arrays"


def _shapes(loaded) -> dict:
    from dglgan_tf.networks import base

    return {
        role: {
            name: list(variable.shape)
            for name, variable in base.named_variables(getattr(loaded, role)).items()
        }
        for role in loaded.report["parameters"]
    }


def _prove(loaded, arrays, jit, say):
    from dglgan_tf.converters.parity import check

    rows, left_out = check.check(loaded, arrays, jit)
    say(f"{'output':36} {'error':>9}  tolerance (relative to the largest value)")
    for row in rows:
        say(str(row))
    if left_out:
        say(f"not compared   {', '.join(left_out)}")
    failed = [row.name for row in rows if not row.passed]
    if failed:
        say(f"PARITY FAILED  {len(failed)} of {len(rows)}: {', '.join(failed)}")
    else:
        say(f"parity         all {len(rows)} outputs agree")
    return rows, left_out


def _write(loaded, dest: Path, to, report) -> list[Path]:
    from dglgan_tf.networks import files

    dest.mkdir(parents=True, exist_ok=True)
    info = {key: report[key] for key in ("source", "sha256", "format")}
    exported = []
    if to is not None:
        name = "biggan_pytorch" if to == "biggan_pytorch" else f"{to}_networks"
        path = dest / (name + exporting.SUFFIXES.get(to, ""))
        exported = exporting.export_checkpoint(loaded, path, to)
    networks = dest / NETWORKS_FILE
    files.save_networks(networks, exporting.roles(loaded), info)
    written = [*exported, networks]
    if loaded.generator is not None:
        pictures.save_png(dest / "contact_sheet.png", contact_sheet(loaded.generator))
        written.append(dest / "contact_sheet.png")
    report = {**report, "written": [str(path) for path in written]}
    text = json.dumps(report, indent=1, default=str)
    atomic.write(dest / "report.json", text.encode())
    return [*written, dest / "report.json"]


def contact_sheet(generator, count: int | None = None) -> np.ndarray:
    """Draws the seeds 0, 1, ... one by one, classes in order, without truncation.

    Args:
      generator: any of ours.
      count: images; None = 16, fewer from 512 pixels on.

    Returns:
      uint8 [height, width, channels].
    """
    from dglgan_tf.compat import tf

    fits = (SHEET_PIXELS // generator.resolution) ** 2
    seeds = list(range(count or max(1, min(_SHEET_IMAGES, fits))))
    z = seeding.latents(seeds, generator.z_dim)
    labels = None
    if generator.num_classes:
        labels = np.arange(len(seeds), dtype=np.int32) % generator.num_classes
    draw = tf.function(generator, autograph=False)
    drawn = []
    for i in range(len(seeds)):
        one = None if labels is None else tf.constant(labels[i : i + 1])
        image = draw(tf.constant(z[i : i + 1]), one)
        drawn.append(pictures.to_uint8(image.numpy()))
    return pictures.grid(np.concatenate(drawn))


def _next_step(loaded, dest: Path) -> str:
    path = dest / NETWORKS_FILE
    look = sentences.command(
        "python", "-m", "dglgan_tf.sample", f"--network={path}", "--grid"
    )
    if loaded.discriminator is None:
        return f"next: {look}"
    teacher = sentences.command(f"--gin_param=train.teachers = {[str(path)]}")
    return f"next: name it as the teacher, {teacher}, or look at it: {look}"
