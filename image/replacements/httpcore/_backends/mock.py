"""Connections that are made up, for tests."""


class MockBackend:
    pass


class MockStream:
    pass


class AsyncMockBackend:
    pass


class AsyncMockStream:
    pass
