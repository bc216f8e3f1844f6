"""The denoiser, its file, and the bands that it works on."""
