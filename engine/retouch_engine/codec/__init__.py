"""Bytes in, photos out, and back: the only room that decodes, encodes or carries metadata.

Rule: a header is judged before anything is decoded, and nothing foreign escapes: whatever a file holds,
the caller sees a :class:`~retouch_engine.types.Photo` or one class of :mod:`retouch_engine.errors`.
Pixels go through tifffile and imagecodecs only, profiles byte for byte, metadata through exiftool or, when
it is not there, through what this room can carry itself. What was written is not believed here: that is
the business of :mod:`retouch_engine.prove`.
"""
