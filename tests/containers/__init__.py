"""The real image on a real engine."""
