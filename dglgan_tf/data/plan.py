"""What a conversion is to do: the images, their target, and what does not fit."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable

import numpy as np

from dglgan_tf.data import base, encoded, images, readers

Progress = Callable[[Iterable, int, str], Iterable]


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the prepared images look like.

    Attributes:
      height, width: of the images; None keeps the most common size ('center-crop-wide'
        gives squares of `width`).
      transform: see `dglgan_tf.data.images.fit`; with a size, 'none' means 'stretch'.
      resize_filter: 'box', 'bilinear', 'bicubic' or 'lanczos'.
      num_channels: 1 or 3; None is 3 unless every image is grey.
      background: grey level under transparency and around padded images.
      max_images: take only so many, the first ones; None takes all.
      any_size: allows sizes that are not square or no power of two.
    """

    height: int | None = None
    width: int | None = None
    transform: str = "none"
    resize_filter: str = "lanczos"
    num_channels: int | None = None
    background: int = 255
    max_images: int | None = None
    any_size: bool = False

    def __post_init__(self):
        for name in ("height", "width", "max_images"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name}={value} must be at least 1.")
        images.check_size(self.height or 1, self.width or 1)
        if self.num_channels not in (None, 1, 3):
            raise ValueError(f"channels={self.num_channels} must be 1 or 3.")
        if (self.height is None) != (self.width is None):
            raise ValueError(
                f"width={self.width} and height={self.height}: give both, or "
                "--resolution."
            )


class Items:
    """Images to convert, of any size and kind.

    Args:
      found: from `dglgan_tf.data.sources.find`.
      max_images: keep only the first ones; None keeps all.
    """

    def __init__(self, found: base.Source | encoded.Listing, max_images: int | None):
        self._found = found
        self.notes = notes_of(found)
        self.name = found.name
        self.class_names = list(found.class_names)
        self.labels = np.asarray(found.labels)[:max_images]
        self.named = isinstance(found, encoded.Listing)
        if self.named:
            self.names = found.reader.names[:max_images]
        else:
            self.names = [f"image {index}" for index in range(len(self.labels))]

    def headers(self, progress: Progress | None) -> list[images.Header | ValueError]:
        """Returns what each image is, or what is wrong with it."""
        if isinstance(self._found, encoded.Listing):
            return encoded.scan(self._found.reader, progress, len(self.names))
        source = self._found
        grey = source.num_channels == 1
        header = images.Header(source.height, source.width, grey, True, "pixels")
        return [header] * len(self.names)

    def load(self, index: int, num_channels: int, background: int) -> np.ndarray:
        """Returns one image, uint8 [H, W, num_channels]; ValueError if unreadable."""
        if isinstance(self._found, encoded.Listing):
            data = self._found.reader.read(index)
            return images.decode(data, num_channels, background)
        image = self._found.images([index])[0]
        if image.shape[2] == num_channels:
            return image
        return images.decode(images.encode_png(image), num_channels)

    def class_name(self, index: int) -> str:
        """Returns the name of an image's class; empty without labels."""
        return self.class_names[self.labels[index]] if self.class_names else ""


def notes_of(found: base.Source | encoded.Listing) -> list[str]:
    """Returns what lies beside the images and is not read, in sentences."""
    if isinstance(found, encoded.Listing):
        return readers.notes_of(found.reader)
    return list(found.notes)


def resolve(settings: Settings, headers: list[images.Header], name: str) -> Settings:
    """Fills in size, transform and channels from the images.

    Args:
      settings: as asked for.
      headers: of the readable images.
      name: of the source, for errors.
    """
    if not headers:
        raise ValueError(f"{name}: no readable image.")
    images.check_names(settings.transform, settings.resize_filter)
    height, width = settings.height, settings.width
    sizes = Counter((header.height, header.width) for header in headers)
    shorter = np.percentile([min(h.height, h.width) for h in headers], 5)
    advice = encoded.largest_power_of_two(max(1, int(shorter)))
    transform = settings.transform
    if height is None or width is None:
        if transform != "none":
            raise ValueError(
                f"transform={transform!r} needs a resolution; {advice} would suit "
                f"{name}."
            )
        height, width = sizes.most_common(1)[0][0]
    elif transform == "none" and set(sizes) != {(height, width)}:
        transform = "stretch"
    side = width if transform == "center-crop-wide" else height
    if not settings.any_size and (side != width or side & (side - 1)):
        raise ValueError(
            f"{name}: images would be {side}x{width}, but the networks take squares of "
            f"a power of two: choose a transform and a resolution, for instance "
            f"center-crop and {advice}."
        )
    channels = settings.num_channels or (1 if all(h.grey for h in headers) else 3)
    return dataclasses.replace(
        settings,
        height=height,
        width=width,
        transform=transform,
        num_channels=channels,
    )


def converted_kinds(names, headers, num_channels) -> dict[str, list[str]]:
    """Returns the names of images that change their kind, by kind."""
    kinds: dict[str, list[str]] = {}
    for name, header in zip(names, headers, strict=True):
        if isinstance(header, ValueError):
            continue
        if not header.plain:
            kinds.setdefault(header.kind, []).append(name)
        elif header.grey and num_channels == 3:
            kinds.setdefault("grey among colour", []).append(name)
        elif not header.grey and num_channels == 1:
            kinds.setdefault("colour made grey", []).append(name)
    return kinds


def refuse(items: Items, left_out: dict, converted: dict) -> None:
    """Raises ValueError, naming images, if any is left out or converted."""
    found = [f"{items.names[i]} {reason}" for i, reason in sorted(left_out.items())]
    for kind, names in converted.items():
        found += [f"{name} is {kind}" for name in names]
    if found:
        shown = "; ".join(found[:10])
        raise ValueError(
            f"{items.name}: strict: {len(found)} images are not plain 8-bit images of "
            f"one kind and size: {shown}{'; ...' if len(found) > 10 else ''}."
        )
