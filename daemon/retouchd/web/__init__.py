"""HTTP: health, metrics, a small JSON API and the review page, on this machine unless told otherwise.

Every request passes the gate before anything is looked up.
"""
