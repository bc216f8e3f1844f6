"""Training, calibration and evaluation of checkpoints; the server never imports it.

training, calibrating, evaluating: the commands. enlargements, fusion, buildings, uncertainty: the
experiments of an evaluation. methods, peers: what is compared. pictures: input. columns, report,
sheet: output.
"""
