"""Training the denoiser: imagery -> crops -> degraded conditions -> loss -> checkpoint.

    imagery      collections of pictures, crops of them at many ground sizes
    settings     what a run is defined by
    batches      conditions and what they stand for, by number; a teacher's pictures among them
    degradation  conditions as sources deliver them, and as the model itself does
    loss         squared error at every noise level; perceptual distance of drawn pictures
    texture      what drawn pictures are judged by
    growth       starting from a checkpoint, also from a smaller one
    loop         steps, averaging, saving, resuming

What was tried, with figures, stands in tried.md beside this file.
"""
