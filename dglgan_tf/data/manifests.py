"""The manifest that a conversion leaves beside its images; how far it is believed."""

from dglgan_tf.data import bounded, images, readers


def of(reader: readers.Reader) -> dict:
    """Returns what our own tool wrote beside uniform images; {} where it did not."""
    content = reader.extra(readers.MANIFEST)
    try:
        manifest = bounded.parse_json(content, readers.MANIFEST) if content else {}
    except ValueError:
        return {}
    # A file added or removed by hand makes the statement worthless.
    if not is_manifest(manifest) or manifest["num_examples"] != len(reader.names):
        return {}
    return manifest


def is_manifest(content) -> bool:
    """Tells whether JSON content is a manifest of `dglgan_tf.data.prepare`."""
    if not isinstance(content, dict) or content.get("format") != "dglgan_tf":
        return False
    numbers = ("num_examples", "height", "width", "num_channels")
    return (
        all(type(content.get(key)) is int and content[key] > 0 for key in numbers)
        and content["num_channels"] in (1, 3)
        and isinstance(content.get("fingerprint"), str)
        and isinstance(content.get("class_names"), list)
        and all(isinstance(name, str) for name in content["class_names"])
    )


def agrees(reader: readers.Reader, manifest: dict) -> bool:
    """Tells whether the first image is what a manifest says of all."""
    try:
        header = images.inspect(reader.read(0))
    except (ValueError, OSError):
        return False
    size = manifest["height"], manifest["width"]
    return header.plain and (header.height, header.width) == size
