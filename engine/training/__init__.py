"""Training the denoiser: imagery -> crops -> degraded conditions -> loss -> checkpoint."""
