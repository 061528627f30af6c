"""The directory that consumers mount: its files, its permissions, its temporary files."""
