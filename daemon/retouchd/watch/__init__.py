"""Watching: is a photo there, and is it complete?

A look at the folder is the only authority; events merely say when a look may be worth while. This room puts
rows into the journal as far as ``queued`` and never reads a picture.
"""
