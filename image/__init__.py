"""Scripts that build and measure the image. None of them is in the image."""
