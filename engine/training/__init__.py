"""Training the denoiser: imagery -> crops -> degraded conditions -> loss -> checkpoint.

    imagery      collections of pictures, crops of them at many ground sizes
    degradation  conditions as sources deliver them, and as the model itself does
    loss         squared error at every noise level; perceptual distance of drawn pictures
    growth       starting from a checkpoint, also from a smaller one
    loop         batches, averaging, saving, going on

What was tried, with figures, stands in tried.md beside this file.
"""
