"""Training the denoiser: imagery -> crops -> degraded conditions -> loss -> checkpoint.

    imagery      collections of pictures, crops of them at many ground sizes
    settings     the parameters of a run
    batches      conditions and their targets, by number; some targets are a teacher's pictures
    degradation  realistic conditions, as from sources and from the model itself
    loss         squared error at every noise level; perceptual distance of drawn pictures
    texture      the loss of drawn pictures
    growth       starting from a checkpoint, also from a smaller one
    loop         steps, averaging, saving, resuming

tried.md beside this file records the experiments, with figures.
"""
