"""httpcore's asynchronous half, which its front door names and a synchronous client never calls."""


def __getattr__(name: str) -> type:
    return type(name, (), {})
