"""The hosts that people run on."""
