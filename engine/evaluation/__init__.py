"""What a picture is worth, where the truth is known.

ways          low-resolution picture -> larger picture (ours, interpolations)
scores        larger picture, low-resolution picture, truth -> figures
correctness   improvement, omission, hallucination (opensr-test)
seams         what a border of patches or tiles does to gradients and variance
calibration   whether a standard deviation says where errors are
segmentation  a task on the pictures: finding buildings
"""
