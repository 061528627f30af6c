"""Faults at system calls: what a run leaves behind when it is killed, or told "no", at any call that it makes on the volume."""
