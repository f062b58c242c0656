"""Generators: networks that make records, trained on records alone.

prior      what a generator is
learn      training one by name
many       training many in one program
autoencoder  training one of the next two
vae        variational autoencoder (Kingma and Welling 2014)
dae        denoising autoencoder (Vincent et al. 2010)
gan        Wasserstein GAN with gradient penalty (Gulrajani et al. 2017)
"""

from jaxattack.training.generators.learn import Prior
from jaxattack.training.generators.many import Generators, train_generators

__all__ = ["Generators", "Prior", "train_generators"]
