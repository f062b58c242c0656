"""Generators: networks that make records, trained on records alone.

prior      what a generator is
learn      training one by name
vae        variational autoencoder (Kingma and Welling 2014)
dae        denoising autoencoder (Vincent et al. 2010)
gan        Wasserstein GAN with gradient penalty (Gulrajani et al. 2017)
"""
