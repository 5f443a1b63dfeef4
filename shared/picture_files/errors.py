"""What is wrong with a picture."""


class UnreadableImageError(ValueError):
    """The bytes are not a picture that can be classified; the message tells the sender why.

    `code` is `image_unreadable`; `image_too_large` for a picture with too many pixels; `image_too_costly` for one that
    takes too long to decode.
    """

    def __init__(self, message: str, code: str = "image_unreadable") -> None:
        super().__init__(message)
        self.code = code
