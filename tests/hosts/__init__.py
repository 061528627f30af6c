"""Hosts with limits: old Docker, user namespaces, OpenShift, NFS, storage without modes."""
