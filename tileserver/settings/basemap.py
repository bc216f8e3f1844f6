"""Settings of the basemap: another service's tiles under the imagery, in the viewer."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from tileserver.settings.base import Frozen

ADDRESS = r"^https?://[A-Za-z0-9.-]+(:[0-9]+)?/\S*$"


def _check_places(url: str) -> str:
    if set(re.findall(r"\{(\w+)\}", url)) != {"z", "x", "y"}:
        raise ValueError("url must contain {z}, {x} and {y}, and no other word in braces")
    return url


class BasemapSettings(Frozen):
    """A service of XYZ tiles of 256 px on web mercator that allows pages of other origins (CORS).

    Browsers ask it, the server never does, and only once the viewer's user has chosen it.
    """

    url: Annotated[str, Field(pattern=ADDRESS), AfterValidator(_check_places)] = Field(
        description="Address of a tile with {z}, {x} and {y}; public, with any key that is in it."
    )
    attribution: str = Field(description="Whose map it is: shown with it, HTML allowed.")
    maxzoom: Annotated[int, Field(ge=0, le=30)] = Field(19, description="Its deepest zoom.")

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return "/".join(self.url.split("/")[:3])
