"""The part of an HR image that has an LR image."""


def cropped(image, scale):
    """Rows and columns up to the last multiple of the scale."""
    return image[: image.shape[0] // scale * scale, : image.shape[1] // scale * scale]
