"""The engine: diffusion super-resolution of unbounded imagery, a window at a time (numpy, torch).

condition (imagery) --read--> SuperResolved.read(window)
                                  | the window plus a halo (sampling.denoising)
                                  v
                              encode once: the best estimate's bands, and a context
NoiseField.fused ------> Sampler.window, each step:
(xi of SDVC, a function      x0 = denoiser(x, sigma, context)
 of the address alone)       x  = next_mean(x, x0) + noise_std * xi
                                  |
                                  v estimate + detail * x: residual Haar bands of two zooms
                              pair: those two pictures; the 2x2 means of each equal its parent

The condition is the low-resolution imagery that is enlarged: the source, or the picture of an
earlier pair of zooms.

window, imagery   rectangles of absolute pixels; the interface of everything that can be read
sampling/         settings: what decides a sample. schedule: noise levels. noise:
                  counter-based normals. lattice: patches and their weights. denoising: one
                  window. fusion: the rules. sampler: by window and by lattice
network/          local: the denoiser. checkpoint: its file. doubling, projection, pair:
                  consistency with the data. calibration: of the uncertainty. span: a
                  published model, a baseline and the teacher of the best estimate
pictures/         super_resolution: two zooms. pyramid: all zooms. samples: by noise seed and
                  detail. deviation: the uncertainty. blocks, pinned: cached and held pixels.
                  probe: does this device draw the same pixels in every window?
training/, perceptual, evaluation/    make and judge checkpoints; the server imports none of it
"""
