"""The columns that tables of enlargements share, each with a sentence."""

from __future__ import annotations

from collections.abc import Mapping

SCORED = {
    "HaarPSI": "How alike edges are by Haar wavelets; 1 is equal.",
    "FSIM": "How alike structure, gradients and colours are; 1 is equal.",
    "VIFp": "The share of the truth's information that the picture holds; 1 is all.",
    "MDSI": "How unevenly gradients and colours deviate from the truth's; 0 is equal.",
    "log spectrum dB": (
        "The mean difference between the logarithms of the picture's and the truth's power over "
        "rings of frequency; 0 is equal, and both blur and noise raise it."
    ),
    "phase evenness": (
        "Gradients are divided by the truth's at each place within a pixel of the data, and the "
        "largest ratio by the smallest; 1 is even, and visible pixels of the data raise it."
    ),
    "improvement": "The share of the ground that lies nearest to the truth (opensr-test).",
    "omission": "The share of the ground that bicubic interpolation would show likewise.",
    "hallucination": "The share of the ground that resembles neither truth nor interpolation.",
    "PSNR dB": "The squared error on a logarithmic scale; higher is nearer.",
    "SSIM": "How alike local means, contrasts and structures are; 1 is equal.",
    "perceptual (AlexNet)": "The shift-tolerant LPIPS distance by AlexNet; 0 is equal.",
    "perceptual (VGG)": "The shift-tolerant LPIPS distance by VGG; 0 is equal.",
    "grid dB": (
        "The power of what repeats every 4 px in the error over that of the frequencies around; "
        "0 is no grid."
    ),
    "drift, levels": (
        "The mean absolute difference between the picture's means and the data, in levels of 255; "
        "0 is consistent."
    ),
    "spectral angle": "The mean angle between colours of the picture's means and the data's.",
    "shift px": "How far the picture's means are displaced against the data, in data pixels.",
}
"""In the order of the fields of `scores.Score`; no network is trained on the first nine."""


def explain(columns: Mapping[str, str]) -> str:
    """A Markdown list with one line a column."""
    return "\n".join(f"- {name}: {meaning}" for name, meaning in columns.items())
