"""Nothing here switches logging on."""

DEBUG = 10


class Logger:
    def __init__(self, name: str) -> None:
        self.name = name

    def isEnabledFor(self, level: int) -> bool:
        return False

    def debug(self, *_: object) -> None:
        pass

    info = debug


def getLogger(name: str) -> Logger:
    return Logger(name)
