"""Options of networks: one dataclass each, known to Python, to gin and to files."""

import dataclasses
import inspect

import gin
import pytest

from dglgan_tf.config import gin_files
from dglgan_tf.networks import (
    biggan,
    biggan_config,
    biggan_deep,
    biggan_deep_config,
    biggan_deep_discriminator,
    biggan_discriminator,
    configuration,
    files,
    stylegan2,
    stylegan2_config,
    stylegan2_discriminator,
)

NETWORKS = [
    biggan.BigGANGenerator,
    biggan.BigGANDiscriminator,
    biggan_deep.BigGANDeepGenerator,
    biggan_deep.BigGANDeepDiscriminator,
    stylegan2.StyleGAN2Generator,
    stylegan2.StyleGAN2Discriminator,
]


@dataclasses.dataclass(frozen=True)
class _SquareConfig:
    side: int
    scale: float = 2.0

    def __post_init__(self):
        if self.side < 1:
            raise ValueError(f"side={self.side} must be 1 or larger")


@configuration.configured_by(_SquareConfig)
class _Square:
    def __init__(self, config, name=None, **kwargs):
        self.config, self.name, self.kwargs = config, name, kwargs


def test_fields_are_the_arguments():
    square = _Square(3, name="small", other=1)
    assert square.config == _SquareConfig(3) and square.name == "small"
    assert square.kwargs == {"other": 1}
    assert _Square(side=3, scale=1.0).config == _SquareConfig(3, 1.0)
    assert _Square(3, 1.0, "last").name == "last"
    names = list(inspect.signature(_Square).parameters)
    assert names == ["side", "scale", "name", "kwargs"]
    assert list(inspect.signature(_Square.__init__).parameters)[0] == "self"


@pytest.mark.parametrize(
    "arguments, options, message",
    [
        ((), {}, r"_Square.__init__\(\) missing a required argument: 'side'"),
        ((3,), {"side": 3}, "multiple values for argument 'side'"),
        ((3, 1.0, "a", 4), {}, "too many positional"),
    ],
)
def test_arguments_that_do_not_fit(arguments, options, message):
    with pytest.raises(TypeError, match=message):
        _Square(*arguments, **options)


def test_values_that_cannot_be_are_refused_by_the_dataclass():
    with pytest.raises(ValueError, match="side=0 must be"):
        _Square(0)


@pytest.mark.parametrize("network_class", NETWORKS, ids=lambda c: c.__name__)
def test_every_network_declares_its_options_once(network_class):
    config_class = network_class.config_class
    assert config_class.__name__ == f"{network_class.__name__}Config"
    fields = {field.name: field for field in dataclasses.fields(config_class)}
    parameters = inspect.signature(network_class.__init__).parameters
    assert set(parameters) - set(fields) <= {"self", "name", "kwargs"}
    for name, field in fields.items():
        assert parameters[name].annotation == field.type
        if field.default is not dataclasses.MISSING:
            assert parameters[name].default == field.default
        assert name in config_class.__doc__
    config = config_class(resolution=32)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.resolution = 64


@pytest.mark.parametrize(
    "module, own, name",
    [
        (biggan, biggan_discriminator, "BigGANDiscriminator"),
        (biggan_deep, biggan_deep_discriminator, "BigGANDeepDiscriminator"),
        (stylegan2, stylegan2_discriminator, "StyleGAN2Discriminator"),
    ],
)
def test_discriminators_keep_their_names(module, own, name):
    """In a file of their own, known to gin and Python by the family's module."""
    assert getattr(module, name) is getattr(own, name)
    selector = f"{module.__name__}.{name}"
    assert gin.config._REGISTRY[selector].wrapped is getattr(own, name)


def test_what_follows_from_the_options_of_biggan():
    config = biggan_config.BigGANGeneratorConfig(resolution=64, ch=3, z_dim=22)
    assert config.widths == [48, 48, 24, 12, 6]
    assert config.hidden_widths == [48, 24, 12, 6] and config.sizes == [8, 16, 32, 64]
    assert (config.z_pieces, config.z_dim) == (5, 20)
    reduced = biggan_config.BigGANGeneratorConfig(
        resolution=32, reduced_dtype="float16"
    )
    assert reduced.block_dtypes == ["float32", "float16", "float16"]
    reduced = biggan_config.BigGANDiscriminatorConfig(
        resolution=32, reduced_dtype="float16", reduced_resolutions=1
    )
    assert reduced.block_dtypes == ["float16", "float32", "float32", "float32"]


def test_what_follows_from_the_options_of_biggan_deep():
    config = biggan_deep_config.BigGANDeepGeneratorConfig(resolution=32, ch=4, depth=1)
    assert config.blocks == [[True, 16, 16]] * 3 and config.sizes == [8, 16, 32]
    config = biggan_deep_config.BigGANDeepDiscriminatorConfig(
        resolution=32, ch=4, attention=[16, 8]
    )
    assert config.sizes == [16, 16, 8, 8, 8, 8] and config.attended == [1, 3]
    with pytest.raises(ValueError, match="channel_ratio=4 leaves none"):
        biggan_deep_config.BigGANDeepDiscriminatorConfig(plan=[[True, 2, 2]])


def test_what_follows_from_the_options_of_stylegan2():
    options = {"resolution": 16, "channel_base": 128, "channel_max": 12}
    config = stylegan2_config.StyleGAN2GeneratorConfig(channels_fraction=2, **options)
    assert config.widths == [6, 6, 4] and config.constant_width == 12
    explicit = stylegan2_config.StyleGAN2GeneratorConfig(16, channels=[5, 4, 3])
    assert explicit.widths == [5, 4, 3] and explicit.constant_width == 5
    config = stylegan2_config.StyleGAN2DiscriminatorConfig(
        channels_fraction=2, **options
    )
    assert config.first_dense_width == 6 and config.mapped_label_length == 6
    assert list(config.block_dtypes) == [8, 16]
    assert config.fir.shape == (4, 4) and config.fir.sum() == pytest.approx(1)


@pytest.mark.parametrize("network_class", NETWORKS, ids=lambda c: c.__name__)
def test_gin_refuses_what_is_no_option(network_class, tmp_path):
    empty = tmp_path / "empty.gin"
    empty.write_text("")
    name = network_class.__name__
    for line, words in [
        (f"{name}.resolutoin = 32", "resolutoin"),
        (f"{name}.config = 32", "config"),
        (f"{name}.resolution = '32'", "must be an integer"),
    ]:
        with pytest.raises(ValueError, match=words):
            gin_files.parse([str(empty)], [line])


def test_gin_reaches_the_fields_by_scope(tmp_path):
    empty = tmp_path / "empty.gin"
    empty.write_text("")
    lines = ["BigGANDiscriminator.ch = 2", "student/BigGANDiscriminator.ch = 1"]
    lines.append("BigGANDiscriminator.resolution = 32")
    lines.append("train.discriminator = @student/BigGANDiscriminator")
    gin_files.parse([str(empty)], lines)
    with gin.config_scope("student"):
        student = biggan.BigGANDiscriminator(num_classes=0)
    teacher = biggan.BigGANDiscriminator(num_classes=0)
    assert (student.ch, teacher.ch) == (1, 2)
    assert biggan.BigGANDiscriminator(num_classes=0, ch=3).ch == 3
    operative = gin.operative_config_str()
    assert "student/BigGANDiscriminator.ch = 1" in operative
    assert "BigGANDiscriminator.init = 'orthogonal'" in operative


def test_a_complete_header_is_out_of_reach_of_gin(tmp_path):
    """A network from a file has the file's options, whatever gin binds."""
    path = tmp_path / "network.safetensors"
    network = biggan.BigGANDiscriminator(32, num_classes=0, ch=1, attention=[])
    files.save_networks(path, {"discriminator": network})
    held = files.read_header(path)["networks"]["discriminator"]
    fields = dataclasses.fields(biggan.BigGANDiscriminator.config_class)
    assert set(held["config"]) == {field.name for field in fields}
    with gin.unlock_config():
        gin.bind_parameter("BigGANDiscriminator.ch", 2)
    loaded = files.load_networks(path)["discriminator"]
    assert loaded.get_config() == network.get_config()
