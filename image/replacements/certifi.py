"""httpcore insists on importing it. Debian's own certifi does the same: one bundle of authorities is enough."""


def where() -> str:
    return "/etc/ssl/certs/ca-certificates.crt"
