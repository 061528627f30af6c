"""Uploads. httpx asks of each request whether it is one; ours have no body."""


class MultipartStream:
    pass


def get_multipart_boundary_from_content_type(content_type: object) -> None:
    return None
