"""Images with a little of everything, and their PIC computed without the package."""

import cv2
import numpy as np

WINDOW = 6


def sobel_sums(image):
    """The sum of the gradient in each window of an image, in raster order."""
    kernel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], float)
    across, down = (
        cv2.filter2D(image.astype(float), -1, each, borderType=cv2.BORDER_REFLECT_101) for each in (kernel, kernel.T)
    )
    gradient = (abs(across) + abs(down)).max(axis=2)
    return np.lib.stride_tricks.sliding_window_view(gradient, (WINDOW, WINDOW)).sum(axis=(2, 3)).ravel()


def banded(height, widths, seed):
    """An image with a flat, a weak and a strong band of noise, as many columns wide as ``widths`` says."""
    strength = np.repeat([0.0, 12.0, 60.0], widths)[None, :, None]
    noise = np.random.default_rng(seed).normal(0, 1, (height, sum(widths), 3))
    return np.clip(np.rint(128 + strength * noise), 0, 255).astype(np.uint8)
