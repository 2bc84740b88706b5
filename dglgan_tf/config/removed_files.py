"""Gin files of earlier versions: what stands in their place, and their runs' names."""

from pathlib import PurePath

# {file that held one stage: (recipe that has it, its stage)}
_STAGES = {
    "biggan128_stage1": ("biggan128", "student"),
    "biggan128_stage1_ch24": ("biggan128_ch24", "student"),
    "biggan128_stage1_ch32": ("biggan128_ch32", "student"),
    "biggan128_stage1_ch64": ("biggan128_ch64", "student"),
    "biggan128_stage1_ch48_d96": ("biggan128_d96", "student"),
    "biggan_cifar10_stage1": ("biggan_cifar10", "student"),
    "biggan_cifar10_teacher": ("biggan_cifar10", "teacher"),
    **{
        f"stylegan2_{data}_{width}_stage1": (f"stylegan2_{data}_{width}", "student")
        for data in ("ffhq1024", "church256")
        for width in ("half", "quarter", "eighth")
    },
}
_MOVED = {
    "families/biggan128": "sizes/biggan128",
    "families/biggan_cifar10": "sizes/biggan_cifar10",
    "families/fashion_biggan": "toy/fashion_biggan",
    "families/fashion_biggan_second_stage": "toy/fashion_biggan_second_stage",
    "families/fashion_stylegan2": "toy/fashion_stylegan2",
    "families/fashion_stylegan2_second_stage": "toy/fashion_stylegan2_second_stage",
}


def advice(name: str) -> str | None:
    """Returns a sentence on what stands in a removed file's place; None for others.

    Args:
      name: as after `--gin_file` or `include`: 'gin/biggan128_stage1.gin'.
    """
    key = name.removeprefix("gin/").removesuffix(".gin")
    if key in _STAGES:
        recipe, stage = _STAGES[key]
        return (
            f"gin/{key}.gin is now the stage {stage!r} of gin/{recipe}.gin: "
            f"train --gin_file=gin/{recipe}.gin --stage={stage}"
        )
    if key in _MOVED:
        return f"gin/{key}.gin is gin/{_MOVED[key]}.gin now"
    return None


def earlier_run(recipe: str, stage: str) -> PurePath | None:
    """Returns the folder in which earlier versions trained a stage, runs/FILE.

    Args:
      recipe: name of a gin file without its ending, 'biggan128'.
      stage: of that recipe.

    Returns:
      None where the stage had no file of its own.
    """
    for name, found in _STAGES.items():
        if found == (recipe, stage):
            return PurePath("runs", name)
    return None
