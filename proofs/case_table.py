"""What `cases.py` runs: command, exit code, words of the answer, a check of files."""

import json
import zipfile

import numpy as np

TINY = "--width=64 --run_dir=run --aug=noaug"
PREPARE = "$PY $T/prepare_dataset.py"
CONVERT = "$PY $T/convert_checkpoint.py"
TRAIN = "$PY -m dglgan_tf.train"
SAVED_ALONE = [
    "neither an array nor a plain container",
    r"torch\.save\(network\.state_",
]
NOT_READ = [r"5 \.heic", r"1 \.jp2", "AVIF RGB"]
WITHOUT_FILES = ("70",)


def labels_of(archive: str, histogram: list[int]):
    """Returns a check of the labels in a data set that was written."""

    def labels(folder):
        with zipfile.ZipFile(folder / archive) as file:
            rows = json.loads(file.read("dataset.json"))["labels"]
        return np.bincount([label for _, label in rows]).tolist() == histogram

    return labels


def logged(images: int):
    """Returns a check that a run was trained and logged to so many images."""

    def log(folder):
        run = folder / "run"
        done = (run / "DONE").read_text().split()[0]
        lines = (run / "stats.jsonl").read_text().splitlines()
        return done == str(images) and json.loads(lines[-1])["images"] == images

    return log


def same_classes(folder):
    """`--class=9-11` drew what the folders 9, 10 and 11 are."""
    names = sorted(p.name for p in (folder / "b").iterdir())
    with np.load(next((folder / "b").glob("*.npz"))) as arrays:
        labels = arrays["labels"].tolist()
    with np.load(next((folder / "a").glob("*.npz"))) as arrays:
        ten = arrays["labels"].tolist()
    return ten == [2] and labels == [11, 2, 3] and bool(names)


def transparent_is_white(folder):
    """Where the sample is the transparent one, the image is white."""
    from PIL import Image

    (path,) = sorted(p for p in (folder / "out").rglob("*.png"))
    return bool((np.asarray(Image.open(path))[:4] == 255).all())


def six_images(archive: str):
    """Returns a check that a tree with link loops gave its six images."""
    return labels_of(archive, [3, 3])


def _tables():
    rows = [
        (f"{PREPARE} --source=csv --labels=csv_{name}.csv --dest={name}.zip", 0,
         ["6 images of 16x16x3, 2 classes"], labels_of(f"{name}.zip", [3, 3]))
        for name in ("bom_swapped", "bom_nohead", "semi", "tab")
    ]  # fmt: skip
    for name, words in [
        ("blank_class", [r"csv_blank_class\.csv: no class for 3\.png"]),
        ("latin1", [r"csv_latin1\.csv: .*save it as UTF-8"]),
    ]:
        line = f"{PREPARE} --source=csv --labels=csv_{name}.csv --dest={name}.zip"
        rows.append((line, 2, words, None))
    return rows


def _converted(*names, words=()):
    return [
        (f"{CONVERT} --source={name} --dest=out_{name}", 0,
         [f"wrote out_{name}/networks.safetensors", *words], None)
        for name in names
    ]  # fmt: skip


CASES = {
    "01": [
        (f"{PREPARE} --source=pets.zip --dest=out.zip", 0, ["8 images.*2 classes"],
         labels_of("out.zip", [4, 4])),
        (f"{TRAIN} --data=pets.zip --cond=1 --dry_run --width=64", 0, 
         ["NUM_CLASSES = 2"], None),
        (f"{PREPARE} --source=pets_folders.zip --dest=out2.zip", 0,
         ["8 images.*2 classes"], labels_of("out2.zip", [4, 4])),
    ],
    "02b": [
        (f"{PREPARE} --source=bs_zip.zip --dest=out.zip", 0, ["8 images.*2 classes"],
         labels_of("out.zip", [4, 4])),
        (f"{TRAIN} --data=bs_zip.zip --cond=1 --dry_run --width=64", 0, 
         ["NUM_CLASSES = 2"], None),
    ],
    "03": _tables(),
    "04": [
        (f"{PREPARE} --source=json_bom --dest=out.zip", 0, ["8 images.*2 classes"],
         labels_of("out.zip", [4, 4])),
        (f"{PREPARE} --source=json_utf16 --dest=out16.zip", 2,
         [r"dataset\.json.*UTF-16.*save it as UTF-8"], None),
        (f"{PREPARE} --source=json_empty --dest=out_empty.zip", 0,
         ["8 images.*0 classes"], None),
    ],
    "05": [
        (f"{PREPARE} --source=nfd --dest=out.zip", 0, ["6 images"], None),
    ],
    "06": [
        (f"{PREPARE} --source=links --dest=a.zip", 0, ["6 images"],
         six_images("a.zip")),
        (f"{PREPARE} --source=links_up --dest=b.zip", 0, ["6 images"],
         six_images("b.zip")),
        (f"{PREPARE} --source=links_broken --dest=c.zip", 0, [r"9\.png"], None),
    ],
    "07": [
        (f"{PREPARE} --source=heic --dest=out.zip", 0, NOT_READ, None),
        (f"{PREPARE} --source=heic --check", 0, NOT_READ, None),
    ],
    "09": [
        (f'{TRAIN} "--data=Bob\'s photos (2)" --dry_run --width=64', 0,
         ["RESOLUTION = 16", "NUM_CHANNELS = 3"], None),
    ],
    "10": [
        (f"{PREPARE} --source=ros_lmdb --dest=a.zip", 0, ["8 images of 32x32"], None),
        (f"{PREPARE} --source=ros_lmdb --dest=b.zip --resolution=32", 0,
         ["8 images of 32x32"], None),
        (f"{TRAIN} --data=ros_lmdb --dry_run --width=64", 0, ["RESOLUTION = 32"],
         None),
    ],
    "13": [
        (f"{TRAIN} --data=numbers --cond=1 --batch=4 --kimg=0.004 {TINY}", 0, [], None),
        ("$PY -m dglgan_tf.sample --network=run --seeds=0 --class=10 --outdir=a --npz",
         0, [], None),
        ("$PY -m dglgan_tf.sample --network=run --seeds=0 --class=9-11 --outdir=b "
         "--npz", 0, [], same_classes),
    ],
    "16a": [
        (f"mkdir in; mv grey16_trns.png in; {PREPARE} --source=in --dest=out "
         "--channels=3", 0, [], transparent_is_white),
    ],
    "16b": [
        (f"mkdir in; mv grey16_12bit.png in; {PREPARE} --source=in --dest=out", 0, [],
         None),
        (f"{PREPARE} --source=in --check", 0, ["use only 12 of them"], None),
    ],
    "21": [
        (f"{PREPARE} --source=splits --check --cond", 2,
         ["parts of a split.*name the folder train as the source"], None),
    ],
    "22": [
        (f"{PREPARE} --source=nas --dest=out.zip --resolution=32 "
         "--transform=center-crop", 0, ["8 images"], labels_of("out.zip", [4, 4])),
        (f"{PREPARE} --source=nas --check --cond", 0, ["8 images"], None),
    ],
    "25": [
        (f"{PREPARE} --source=sjis --dest=out.zip", 0, ["8 images"], None),
        (f"{TRAIN} --data=sjis --dry_run --width=64", 0, ["RESOLUTION = 16"], None),
        (f"{PREPARE} --source=sjis --check", 0, [], None),
    ],
    "30": [
        (f"{TRAIN} --data=plain --batch=10 --kimg=0.04 {TINY}", 0, [], logged(40)),
    ],
    "31a": [
        (f"{TRAIN} --data=plain --batch=1 --kimg=0.004 {TINY}", 2,
         ["path length regularization.*give --batch.*a multiple of 2"], None),
    ],
    "31c": [
        (f"{TRAIN} --data=plain --batch=3 --kimg=0.006 {TINY}", 0, [], logged(6)),
    ],
    "33": [
        (f"{TRAIN} --data=plain --batch=8 --kimg=0.016 {TINY}", 0, [], logged(16)),
        (f"{TRAIN} --data=plain --batch=8 --kimg=0.032 {TINY}", 0, [], logged(32)),
    ],
    "41": _converted(
        "GAN_lightning.ckpt", "ada_state_dict_only.pt", "bare_gema.pt", "orig_mod.pt",
        "psp.pt", "wrapped_generator.pt", "wrapped_model.pt", "wrapped_state_dict.pt",
    ),
    "43": _converted("no_noises.pt", words=["noise maps: 9 were drawn from seed 0"]),
    "44": _converted("gs_only.pkl", "ada_bare_gema.pt"),
    "45": [
        (f"{CONVERT} --source={name} --dest=out", 2, SAVED_ALONE, None)
        for name in ("whole_module.pt", "args_path.pt")
    ],
    "61": [
        ("$PY -m dglgan_tf.evaluate --images=mixed_sizes --data=plain "
         '"--metrics=kid24_full[efficientnet_lite0]"', 2,
         ["images differ in size", r"dglgan_tf\.prepare --transform=center-crop"],
         None),
    ],
    # A range of any length is a range: it draws, in little memory, until it is stopped.
    "70": [
        ("(ulimit -v 12000000; timeout 60 $PY -m dglgan_tf.sample "
         "--network=bundled/fashion_stylegan2_student --seeds=0-4294967295)", (2, 124),
         [], None),
    ],
}  # fmt: skip
