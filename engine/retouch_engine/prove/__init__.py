"""The last look before a result leaves: the encoded file, decoded again, against what was promised.

Rule: nothing here trusts the writer. The file on disk is read back, after every program that touched it, and
each sample is held against the source and the patches by code that the writer does not share.
"""

from retouch_engine.prove.proof import Proof, prove_heal_layer, prove_merged, prove_result

__all__ = ["Proof", "prove_heal_layer", "prove_merged", "prove_result"]
