"""Super resolution of image files and arrays: any kind of pixels, any size, with memory for one strip of tiles."""
