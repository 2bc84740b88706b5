"""gin text of networks that train a step in milliseconds, for the tools beside it."""

COMMON = """
train.source = @synthetic
train.deterministic = True
synthetic.num_channels = 1
Trainer.batch_size = 4
Schedule.total_images = {images}
Schedule.tick_images = 4
Schedule.snapshot_every_images = 8
"""
FAMILIES = {
    "smallest": """
include 'families/stylegan2.gin'
train.generator = @StyleGAN2Generator
train.discriminator = @StyleGAN2Discriminator
synthetic.resolution = 4
synthetic.num_classes = 0
StyleGAN2Generator.resolution = 4
StyleGAN2Generator.num_channels = 1
StyleGAN2Generator.channel_max = 8
StyleGAN2Generator.z_dim = 8
StyleGAN2Generator.w_dim = 8
StyleGAN2Generator.mapping_layers = 1
StyleGAN2Discriminator.resolution = 4
StyleGAN2Discriminator.num_channels = 1
StyleGAN2Discriminator.channel_max = 8
StyleGAN2Discriminator.mbstd_group_size = 2
Objective.path_length_weight = 0.0
""",
    "biggan": """
include 'families/biggan.gin'
train.generator = @BigGANGenerator
train.discriminator = @BigGANDiscriminator
synthetic.num_classes = 3
BigGANGenerator.ch = 2
BigGANGenerator.z_dim = 8
BigGANGenerator.shared_dim = 4
BigGANGenerator.resolution = 32
BigGANGenerator.num_channels = 1
BigGANGenerator.num_classes = 3
BigGANDiscriminator.ch = 2
BigGANDiscriminator.resolution = 32
BigGANDiscriminator.num_channels = 1
BigGANDiscriminator.num_classes = 3
Trainer.d_steps = 2
""",
    "stylegan2": """
include 'families/stylegan2.gin'
train.generator = @StyleGAN2Generator
train.discriminator = @StyleGAN2Discriminator
synthetic.resolution = 8
synthetic.num_classes = 0
StyleGAN2Generator.resolution = 8
StyleGAN2Generator.num_channels = 1
StyleGAN2Generator.channel_max = 8
StyleGAN2Generator.z_dim = 8
StyleGAN2Generator.w_dim = 8
StyleGAN2Generator.mapping_layers = 2
StyleGAN2Discriminator.resolution = 8
StyleGAN2Discriminator.num_channels = 1
StyleGAN2Discriminator.channel_max = 8
StyleGAN2Discriminator.mbstd_group_size = 2
Objective.path_length_batch_shrink = 1
""",
}
