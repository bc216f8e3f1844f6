"""The numbers of Overzoom: diffusion super-resolution of unbounded imagery, a window at a time.

    Imagery (condition) --read--> SuperResolved.read(window)
                                      | halo around the window (denoising.halo_px)
                                      v
                                  encode once: the mean's bands, and a context
    NoiseField.fused ------> Sampler.window: per step
    (SDVC's xi, a function       x0 = denoiser(x, sigma, context)
     of address alone)           x  = mean(x, x0) + deviation * xi
                                      |
                                      v mean + detail * x: residual Haar bands of two zooms
                             pair: upper and deeper picture, each averages back to the one above

window: rectangles of absolute pixels. imagery, blocks, pinned: what pictures are computed from,
what is remembered of them, and what is held of a source for a drawing. lattice: patches, weights, W
and S. noise: counter-based normals. schedule: noise levels. network: the local denoiser. denoising:
the loop. fusion: the rules. sampler: both evaluators. projection, doubling, pair: consistency.
resolver, pyramid: zooms. samples, uncertainty: several noise seeds, how much they differ, and what
that says of the error. checkpoint: files.
span: a peer, and the teacher of the mean. training, perceptual, evaluation: how checkpoints come to
be, and their worth.
"""
