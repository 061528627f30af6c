"""Mail. httpx uses what is here and no more."""


class Message(dict[str, str]):
    def get_content_charset(self, failobj: str | None = None) -> str | None:
        return failobj
