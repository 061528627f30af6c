"""Tests of the image on a container engine."""
