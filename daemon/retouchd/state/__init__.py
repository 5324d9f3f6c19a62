"""State: what the service remembers between two starts, on local disk, in a folder that one daemon owns.

The journal is the only thing here that anybody may ask; no other room opens its database or its lock.
"""
