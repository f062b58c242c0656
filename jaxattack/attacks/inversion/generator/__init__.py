"""Generators as priors: what a record of the kind looks like, learnt from the attacker's own records.

prior      what a generator is
learn      training one by name
vae        variational autoencoder (Kingma and Welling 2014)
dae        denoising autoencoder (Vincent et al. 2010)
gan        Wasserstein GAN with gradient penalty (Gulrajani et al. 2017)
gmi        descend in its latent space (Zhang et al. 2020)
ppa        choose, descend, choose (Struppek et al. 2022)
"""
