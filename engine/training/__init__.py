"""Training the denoiser: imagery -> crops -> degraded conditions -> loss -> checkpoint.

    imagery      collections of pictures, reduced until they are sharp
    settings     the parameters of a run
    crops        crops of all pictures, a batch at once, at many ground sizes
    degradation  realistic conditions, as from sources; jpeg is what JPEG coding loses
    teacher      pictures of native imagery to learn from
    batches      conditions and their targets, by number
    prefetch     batches ahead of the step
    loss         squared error at every noise level; perceptual distance of drawn pictures
    texture      the loss of drawn pictures
    adversary    a discriminator that judges drawn pictures
    deviation    the loss of the error's standard deviation
    flatness     takes a fixed pattern on flat ground off the mean
    optimizer    learning rates, and an average of the parameters
    growth       starting from a checkpoint, also from a smaller one
    averaging    the mean of the parameters of several checkpoints
    progress     what is said of a run
    loop         steps, averaging, saving, resuming

tried.md beside this file records the experiments, with figures.
"""
