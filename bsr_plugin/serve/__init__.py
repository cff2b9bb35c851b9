"""The page to try it: upload an image, compare bicubic interpolation with the network, download the result."""
