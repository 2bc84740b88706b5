"""Ways to make a sound file hostile; all choices come from one random generator."""

import copy
import json
import warnings
import zipfile
from pathlib import Path

import hostile_material

NUMBERS = (
    None, True, False, 0, 1, -1, 2, 3, 2**20, 10**7, 10**8, 1_500_000_000, 2**31,
    2**63, 10**30, 0.5, -0.0, 1e300, float("nan"), float("inf"),
)  # fmt: skip
OTHERS = ([], [1], [[0]], ["a"], [[[[[[1]]]]]], [-1] * 3000, [None], {}, {"a": 1},
          {"a": {"b": []}}, "", "x", "\ud800", "x" * 5000, "\0", "a\nb")  # fmt: skip


def payloads(canary: Path) -> list[str]:
    """Returns texts that would write `canary` where somebody ran or followed them."""
    touch = f"touch {canary}"
    return [
        f"$({touch})", f"`{touch}`", f"; {touch} ;", f"| {touch}",
        f"__import__('os').system('{touch}')", f"os.system('{touch}')",
        f"!!python/object/apply:os.system ['{touch}']",
        f"@subprocess.getoutput('{touch}')", f"{{{{ cycler.__init__('{touch}') }}}}",
        f"{{% for x in ().__class__.__base__.__subclasses__() %}}{touch}{{% endfor %}}",
        str(canary), f"../../../../../../..{canary}", f"file://{canary}",
        "subprocess.getoutput", "os.system", "/dev/zero", "/dev/stdin",
    ]  # fmt: skip


def value(random, canary):
    """Returns any value for a place in JSON."""
    kind = random.randrange(4)
    if kind == 0:
        return random.choice(payloads(canary))
    return copy.deepcopy(random.choice(NUMBERS if kind < 3 else OTHERS))


def places(tree, path=()):
    """Returns the paths of all values in a JSON tree."""
    if isinstance(tree, dict):
        items = tree.items()
    else:
        items = enumerate(tree)
    found = []
    for key, item in items:
        found.append((*path, key))
        if isinstance(item, (dict, list)):
            found += places(item, (*path, key))
    return found


def tree(found, random, canary):
    """Returns a copy of a JSON tree with one to three places changed."""
    result = copy.deepcopy(found)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        known = places(result)
        if not known:
            return result
        *above, last = random.choice(known)
        parent = result
        for key in above:
            parent = parent[key]
        kind = random.randrange(8)
        if kind == 0:
            del parent[last]
        elif kind == 1 and isinstance(parent, dict):
            name = random.choice([*payloads(canary), "new", ""])
            parent[name] = value(random, canary)
        elif kind == 2 and isinstance(parent, list):
            parent.extend([parent[last]] * 50)
        else:
            parent[last] = value(random, canary)
    return result


def data(content: bytes, random) -> bytes:
    """Returns bytes cut, flipped, repeated, or something else altogether."""
    kind = random.randrange(7)
    if kind == 0:
        return content[: random.randrange(len(content) + 1)]
    if kind == 1:
        return b"[" * 200_000
    if kind == 2:
        return b'{"a":' * 100_000 + b"1"
    if kind == 3:
        return content.decode("latin1").encode("utf-16")
    if kind == 4:
        return b"\0" * 1000
    result = bytearray(content)
    for _ in range(random.choice((1, 2, 8))):
        result[random.randrange(len(result))] = random.randrange(256)
    return bytes(result) + (content if kind == 5 else b"")


def json_file(path: Path, random, canary) -> None:
    """Changes a JSON file, or one line of a .jsonl file, in place."""
    text = path.read_text()
    if random.randrange(5) == 0:
        path.write_bytes(data(text.encode(), random))
        return
    lines = text.splitlines() if path.suffix == ".jsonl" else [text]
    at = random.randrange(len(lines))
    root = tree(json.loads(lines[at]), random, canary)
    if random.randrange(20) == 0:
        root = value(random, canary)
    lines[at] = json.dumps(root)
    path.write_text("\n".join(lines) + "\n")


def table(path: Path, random, canary) -> None:
    """Changes cells, columns or bytes of a CSV file."""
    if random.randrange(4) == 0:
        path.write_bytes(data(path.read_bytes(), random))
        return
    rows = [line.split(",") for line in path.read_text().splitlines()]
    for _ in range(random.choice((1, 2, 5))):
        row = random.choice(rows)
        if random.randrange(4) == 0 and len(row) > 1:
            del row[random.randrange(len(row))]
        else:
            row[random.randrange(len(row))] = str(value(random, canary))
    path.write_text("\n".join(",".join(row) for row in rows), errors="replace")


def instead(path: Path, random, canary) -> None:
    """Puts something else in a file's place: a device, a pipe, a folder, a link."""
    import os

    path.unlink()
    kind = random.randrange(5)
    if kind == 0:
        os.mkfifo(path)
    elif kind == 1:
        path.mkdir()
    elif kind == 2:
        path.symlink_to("/dev/zero")
    elif kind == 3:
        path.symlink_to(path)
    else:
        path.symlink_to(canary)


def members(path: Path, random, canary) -> None:
    """Writes a zip whose members lie: bombs, names that climb, false sizes."""
    kind = random.randrange(8)
    if kind == 0:
        path.write_bytes(data(path.read_bytes(), random))
        return
    with (
        warnings.catch_warnings(action="ignore"),  # of a name twice
        zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as file,
    ):
        if kind == 1:
            name = random.choice(
                ("bomb.png", "dataset.json", "9.png", "a/dataset.json")
            )
            file.writestr(name, b"\0" * 300_000_000)
        elif kind == 2:
            text = random.choice(payloads(canary))
            file.writestr(text or "x", hostile_material.image(9))
        elif kind == 3:
            name = f"../../../../../../../..{canary}.png"
            file.writestr(name, hostile_material.image(9))
        elif kind == 4:
            made = {"labels": [[f"{n}.png", n % 3] for n in range(6)]}
            text = json.dumps(tree(made, random, canary))
            file.writestr("dataset.json", text)
        elif kind == 5:
            content = data(hostile_material.image(9), random)
            file.writestr("9.png", content)
        elif kind == 6:
            for number in range(3000):
                file.writestr(f"d{number}/x.txt", b"")
        else:
            file.writestr("0.png", hostile_material.image(9, 64))
    if random.randrange(3) == 0:
        content = bytearray(path.read_bytes())
        at = content.rfind(b"PK\1\2")
        content[at + random.randrange(46)] ^= 1 << random.randrange(8)
        path.write_bytes(content)


def gin_file(path: Path, random, canary) -> None:
    """Adds lines that import, register, include or bind without end to a gin file."""
    deep = "[" * 3000 + "]" * 3000
    payload = random.choice(payloads(canary))
    lines = [
        "import os", "import subprocess", "from os import system",
        "from __gin__ import dynamic_registration",
        "from __gin__ import dynamic_registration\nimport subprocess\n"
        f"train.source = @subprocess.getoutput\nsubprocess.getoutput.cmd = '{payload}'",
        f"include '{path.name}'", "include '/dev/zero'", f"include '{canary}'",
        f"train.seed = {deep}", "train.seed = " + "9" * 10_000,
        f"open_source.name = {payload!r}\ntrain.source = @open_source",
        f"train.source = @{payload}", f"{payload} = 1", "A = %A\ntrain.seed = %A",
        "train.seed = %NOWHERE", "a/b/c/d/train.seed = 1", "train.nothing = 1",
        "train.seed = (1).__class__", "train.seed = lambda: 1", "train.seed = \\",
        "train.seed = {'a': {'b': @synthetic()}}", "\0", "\ufeff", "train.seed = '''",
    ]  # fmt: skip
    text = path.read_text().splitlines()
    for _ in range(random.choice((1, 1, 2))):
        text.insert(random.randrange(len(text) + 1), random.choice(lines))
    content = "\n".join(text).encode()
    path.write_bytes(data(content, random) if random.randrange(6) == 0 else content)
