"""The review page: what was found and done, photo by photo, and a person's word on each spot.

Pages are made on the server from the decision records, never from a journal, and need no network and no
build. A photo is asked for by an id that only our own walk over the watched folders gives out, never by a
path.
"""

from __future__ import annotations

from retouchd.web.review.album import Album, Place, places_of
from retouchd.web.review.serve import Handler, Server
from retouchd.web.review.site import Reply, Site
from retouchd.web.review.viewer import Tiles

__all__ = ["Album", "Handler", "Place", "Reply", "Server", "Site", "Tiles", "places_of"]
