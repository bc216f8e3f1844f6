"""What a picture is worth, where the truth is known.

ways          low-resolution picture -> larger picture (ours, interpolations)
scores        larger picture, low-resolution picture, truth -> figures
judges        HaarPSI, FSIM, VIFp, MDSI: measures that nobody trains on
spectrum      error of the log spectrum, and grids
phases        whether detail is spread evenly over native pixels
correctness   improvement, omission, hallucination (opensr-test)
seams         what a border of patches or tiles does to gradients and variance
reliability   whether a standard deviation says where errors are
global_unet   a denoiser with global context, to compare fusion rules with
segmentation  a task on the pictures: finding buildings
"""
