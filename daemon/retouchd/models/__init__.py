"""The model store: where weights come from, what their licence allows, whether they are what they were.

A manifest is data in ``manifests/``; a stored model is a folder with a receipt that names every file's size
and SHA-256. Only the command line downloads; the service is handed what lies here, complete or not at all.
"""

from retouchd.models.manifest import Manifest, manifest, manifests
from retouchd.models.offer import Offer, offer, refused
from retouchd.models.store import Receipt, Store

__all__ = ["Manifest", "Offer", "Receipt", "Store", "manifest", "manifests", "offer", "refused"]
