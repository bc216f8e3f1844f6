"""The numbers of Overzoom: diffusion super-resolution of unbounded imagery, a window at a time.

    Imagery (condition) --read--> SuperResolved.read(window)
                                      | halo around the window (denoising.halo_px)
                                      v
    NoiseField.fused ------> Sampler.window: encode once, then per step
    (SDVC's xi, a function       x0 = denoiser(x, sigma, features)
     of address alone)           x  = mean(x, x0) + deviation * xi
                                      |
                                      v residual Haar bands
                             from_bands(parent, bands): averages back to the parent

window: rectangles of absolute pixels. lattice: patches, weights, W and S. noise: counter-based
normals. schedule: noise levels. network: the local denoiser. denoising: the loop. fusion: the
rules. sampler: both evaluators. projection, doubling: consistency. resolver, pyramid: zooms.
samples, uncertainty: several noise seeds, and how much they differ.
checkpoint: files. global_network: what local denoisers are compared with. training, perceptual,
evaluation: how checkpoints come to be, and their worth.
"""
