"""Makes the files of a release (`make dist`), and tries a whole release on this machine (`make rehearsal`)."""
