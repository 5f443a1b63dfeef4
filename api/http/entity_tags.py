"""Entity tags: names of what an answer holds. The taxonomy's begin with its digest, before what else one depends on."""


def listed(header: str) -> list[str]:
    """Return the tags of `If-None-Match` or `If-Match`; a proxy that compresses makes them weak ones."""
    return [tag.strip().removeprefix("W/") for tag in header.split(",")]


def matches(if_match: str, digest: str) -> bool:
    """Whether the header names a document of the taxonomy with this digest, or any taxonomy."""
    tags = listed(if_match)
    return "*" in tags or digest in [tag.strip('"').partition(".")[0] for tag in tags]
