"""The engine: diffusion super-resolution of unbounded imagery, a window at a time (numpy, torch).

condition (imagery) --read--> SuperResolved.read(window)
                                  | the window plus a halo (sampling.denoising)
                                  v
                              encode once: the mean's bands, and a context
NoiseField.fused ------> Sampler.window, each step:
(xi of SDVC, a function      x0 = denoiser(x, sigma, context)
 of the address alone)       x  = mean(x, x0) + deviation * xi
                                  |
                                  v mean + detail * x: residual Haar bands of two zooms
                              pair: the upper and the deeper picture; each averages to its parent

window, imagery   rectangles of absolute pixels; the interface of everything that can be read
sampling/         schedule: noise levels. noise: counter-based normals. lattice: patches and
                  their weights. denoising: one window. fusion: the rules. sampler: by window
                  and by lattice
network/          local: the denoiser. checkpoint: its file. doubling, projection, pair:
                  consistency with the data. calibration: of the uncertainty. span: a peer, and
                  the teacher of the mean
pictures/         super_resolution: two zooms. pyramid: all zooms. samples: by noise seed and
                  detail. deviation: the uncertainty. blocks, pinned: cached and held pixels.
                  probe: does this device draw the same pixels in every window?
training/, perceptual, evaluation/    make and judge checkpoints; the server imports none of it
"""
