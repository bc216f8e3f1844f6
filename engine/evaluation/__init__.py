"""Measures of a picture whose truth is known.

upsampling    low-resolution picture -> larger picture (ours, interpolations)
scores        larger picture, low-resolution picture, truth -> figures
judges        HaarPSI, FSIM, VIFp, MDSI: measures that no network is trained on
spectrum      error of the log spectrum, and grids
phases        whether detail is spread evenly over native pixels
correctness   improvement, omission, hallucination (opensr-test)
seams         how borders of patches or tiles change gradients and variance
reliability   whether a standard deviation predicts the errors
global_unet   a denoiser with global context, to compare fusion rules with
segmentation  an evaluation by task: finding buildings
"""
