"""What is run while the image is built, and to weigh it. None of it is in the image."""
