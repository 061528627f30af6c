"""Fetching over networks that fail: servers, proxies and certificates that misbehave on demand, and their table."""
