"""Attacks with a generator as a prior: what a record of the kind looks like, learnt from the attacker's own records.

latent     descend in its latent space
gmi        descend in that of a GAN (Zhang et al. 2020)
ppa        choose, descend, choose (Struppek et al. 2022)

The generators themselves are in `jaxattack.training.generators`.
"""
