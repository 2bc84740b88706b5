"""Checkpoints one wrapping away give the networks that the plain file gives."""

import numpy as np
import pytest
from support import deploy_networks

from dglgan_tf.containers import errors, reader
from dglgan_tf.converters import loading, unwrap, writer
from dglgan_tf.converters import mapping as m
from dglgan_tf.converters.stylegan2 import common, rosinality
from dglgan_tf.networks import base

ROSINALITY, ADA, TF1 = (
    "sg2ros_trained_r64_cm1.pt",
    "sg2ada_uncond_r32_map8.pkl",
    "sg2tf1_Gresnet_Dskip_r32.pkl",
)


def prefixed(prefix, table):
    return {f"{prefix}{name}": value for name, value in table.items()}


@pytest.fixture(scope="module")
def plain(reference):
    """(tree, loaded) of rosinality's file."""
    return reader.read(reference / ROSINALITY), loading.load_checkpoint(
        reference / ROSINALITY
    )


def same(found, expected):
    """Whether two networks have the same variables, bit for bit."""
    ours, theirs = base.named_variables(found), base.named_variables(expected)
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


# What is put around g_ema, g and d; what must be found: generators and discriminator.
GENERATOR, BOTH, ALL = ("generator",), ("generator", "discriminator"), (
    "generator", "generator_raw", "discriminator"
)  # fmt: skip
WRAPPINGS = {
    "bare": (lambda t: t["g_ema"], GENERATOR),
    "state_dict": (lambda t: {"state_dict": t["g_ema"], "epoch": 3}, GENERATOR),
    "model": (lambda t: {"model": prefixed("module.", t["g_ema"])}, GENERATOR),
    "deeper": (lambda t: {"a": {"b": {"ema": t["g_ema"]}}}, GENERATOR),
    "compiled": (
        lambda t: {k: prefixed("_orig_mod.", t[k]) for k in ("g_ema", "g", "d")},
        ALL,
    ),
    "parallel and compiled": (
        lambda t: {"g_ema": prefixed("module._orig_mod.", t["g_ema"])},
        GENERATOR,
    ),
    "lightning": (
        lambda t: {
            "pytorch-lightning_version": "2.0",
            "state_dict": {
                **prefixed("generator.", t["g_ema"]),
                **prefixed("discriminator.", t["d"]),
                "loss.weight": np.ones(3, np.float32),
            },
            "optimizer_states": [{"state": {}}],
        },
        BOTH,
    ),
    "lightning with ema": (
        lambda t: {
            "state_dict": {
                **prefixed("netG_ema.", t["g_ema"]),
                **prefixed("netG.", t["g"]),
                **prefixed("netD.", t["d"]),
            }
        },
        ALL,
    ),
    "psp": (
        lambda t: {
            "state_dict": {
                **prefixed("decoder.", t["g_ema"]),
                **prefixed("encoder.", {"input_layer.0.weight": np.ones([2, 2])}),
            },
            "latent_avg": np.tile(np.float32([0.5]), (10, 32)),
        },
        GENERATOR,
    ),
}


@pytest.mark.parametrize("name", WRAPPINGS)
def test_rosinality_s_networks_in_other_trainers_files(plain, tmp_path, name):
    wrap, roles = WRAPPINGS[name]
    tree = {k: dict(v) for k, v in plain[0].items() if k in ("g_ema", "g", "d")}
    writer.write_torch(tmp_path / "x.pt", wrap(tree))
    found = loading.load_checkpoint(tmp_path / "x.pt")
    made = [r for r in ALL if getattr(found, r) is not None]
    assert tuple(made) == roles
    assert any("was found at" in note for note in found.report["notes"])
    for role in roles:
        ours, theirs = getattr(found, role), getattr(plain[1], role)
        if role != "discriminator":
            ours.w_avg.assign(theirs.w_avg)  # it stands beside the networks
        same(ours, theirs)


def test_the_mean_style_of_psp_is_taken(plain, tmp_path):
    width = plain[1].generator.w_dim
    mean = np.arange(width, dtype=np.float32)
    for given in (mean, np.tile(mean, (10, 1))):
        tree = {"state_dict": prefixed("decoder.", plain[0]["g_ema"])}
        writer.write_torch(tmp_path / "x.pt", {**tree, "latent_avg": given})
        found = loading.load_checkpoint(tmp_path / "x.pt").generator
        np.testing.assert_array_equal(found.w_avg, mean)
        assert found.w_avg_known


def test_two_networks_of_one_role_are_named(plain, tmp_path):
    tree = {"a_ema": {"x": plain[0]["g_ema"]}, "b_ema": {"x": plain[0]["g_ema"]}}
    writer.write_torch(tmp_path / "x.pt", tree)
    with pytest.raises(
        errors.CheckpointError, match="both 'a_ema.x' and 'b_ema.x' are"
    ):
        loading.load_checkpoint(tmp_path / "x.pt")


def test_noise_maps_that_a_file_lacks_are_drawn_from_a_seed(plain, tmp_path):
    without = {
        key: {n: a for n, a in plain[0][key].items() if not n.startswith("noises.")}
        for key in ("g_ema", "g", "d")
    }
    writer.write_torch(tmp_path / "x.pt", without)
    first, second = (loading.load_checkpoint(tmp_path / "x.pt") for _ in range(2))
    same(first.generator, second.generator)
    assert "g_ema comes without noise maps: 9 were drawn from seed 0" in str(
        first.report["notes"]
    )
    theirs = base.named_variables(plain[1].generator)
    maps = []
    for name, variable in base.named_variables(first.generator).items():
        if name.endswith("noise/constant"):
            maps.append(variable.numpy().ravel())
        elif name != "w_avg":
            np.testing.assert_array_equal(variable, theirs[name], err_msg=name)
    drawn = np.concatenate(maps)
    assert len(maps) == 9 and abs(drawn.mean()) < 0.03 and abs(drawn.std() - 1) < 0.03
    some = {**without["g_ema"], "noises.noise_0": plain[0]["g_ema"]["noises.noise_0"]}
    writer.write_torch(tmp_path / "x.pt", {"g_ema": some})
    with pytest.raises(errors.CheckpointError, match="lacks noises.noise_1"):
        loading.load_checkpoint(tmp_path / "x.pt")


def test_grey_networks(tmp_path):
    network = deploy_networks.stylegan2_generator(num_channels=1)
    config = {**network.get_config(), "channels": common.widths(network)}
    arrays = m.invert(rosinality.generator_entries(config), m.arrays_of(network))
    mean = arrays.pop("latent_avg")
    writer.write_torch(tmp_path / "x.pt", {"g_ema": arrays, "latent_avg": mean})
    found = loading.load_checkpoint(tmp_path / "x.pt").generator
    assert found.num_channels == 1
    same(found, network)


def test_nvidia_s_generators_alone(reference, tmp_path):
    tree = reader.read(reference / TF1)
    writer.write_pickle(tmp_path / "x.pkl", tree[2])
    found = loading.load_checkpoint(tmp_path / "x.pkl")
    same(found.generator, loading.load_checkpoint(reference / TF1).generator)
    known, _ = unwrap.unwrap({"G": tree[0], "D": tree[1], "Gs": tree[2]})
    assert len(known) == 3 and loading.find_format(known).FORMAT == "stylegan2-tf1"
    module = reader.read(reference / ADA)["G_ema"]
    known, notes = unwrap.unwrap(module)
    assert loading.find_format(known).FORMAT == "stylegan2-ada-pytorch"
    found = loading.find_format(known).load(known).generator
    same(found, loading.load_checkpoint(reference / ADA).generator)
    assert notes == ["one module alone, taken as G_ema"]


def test_nvidia_s_state_dict_alone(reference, tmp_path):
    from dglgan_tf.converters.stylegan2 import nvidia

    arrays = nvidia.state_dict(reader.read(reference / ADA)["G_ema"])
    arrays = {name: np.asarray(array) for name, array in arrays.items()}
    for tree in (arrays, {"state_dict": prefixed("module.", arrays)}):
        writer.write_torch(tmp_path / "x.pt", tree)
        found = loading.load_checkpoint(tmp_path / "x.pt")
        assert "the file has no arguments of its networks" in str(found.report["notes"])
        same(found.generator, loading.load_checkpoint(reference / ADA).generator)


@pytest.mark.parametrize("names", [("G", "G_ema", "D"), ("netG", "netG_ema", "netD")])
def test_biggan_s_roles_in_one_file(reference, tmp_path, names):
    folder = reference / "biggan_r32_cifar"
    tables = {
        name: dict(reader.read(folder / f"{file}.pth"))
        for name, file in zip(names, ("G", "G_ema", "D"), strict=True)
    }
    writer.write_torch(tmp_path / "x.pth", {**tables, "epoch": 5})
    found = loading.load_checkpoint(tmp_path / "x.pth")
    expected = loading.load_checkpoint(folder)
    for role in ALL:
        same(getattr(found, role), getattr(expected, role))


def test_images_that_are_no_squares_are_told(plain, tmp_path):
    table = dict(plain[0]["g_ema"])
    table["input.input"] = np.zeros([1, table["input.input"].shape[1], 3, 2], "float32")
    for tree in ({"g_ema": table}, table):
        writer.write_torch(tmp_path / "x.pt", tree)
        with pytest.raises(errors.CheckpointError, match="images of 48x32 pixels"):
            loading.load_checkpoint(tmp_path / "x.pt")


def test_what_is_no_gan_is_still_none(tmp_path):
    table = {"layer1.0.conv1.weight": np.ones([2, 2], np.float32)}
    writer.write_torch(tmp_path / "x.pt", {"state_dict": table})
    with pytest.raises(errors.CheckpointError, match="no StyleGAN2 or BigGAN"):
        loading.load_checkpoint(tmp_path / "x.pt")
