"""Saying why something fails once, not at every try for as long as it lasts; and saying when it works again."""

import logging

__all__ = ["Complaint"]


class Complaint:
    """What is said of one thing that is tried again and again. `about` begins each line."""

    def __init__(self, logger: logging.Logger, about: str) -> None:
        self._logger, self._about = logger, about
        self._said = ""

    def say(self, why: str) -> None:
        """It failed once more. A reason that was said last is not said again."""
        again = why == self._said
        self._said = why
        self._logger.log(
            logging.DEBUG if again else logging.WARNING, "%s: tried again until it works: %s", self._about, why
        )

    def over(self) -> None:
        """It works."""
        if self._said:
            self._said = ""
            self._logger.info("%s: works again", self._about)
