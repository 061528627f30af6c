"""A way to call a program in this process in the place of a server, as tests of web frameworks do."""

__all__ = ["WSGITransport"]


class WSGITransport:
    pass
