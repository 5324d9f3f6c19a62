"""Results: what lies beside the photos because of us, and what people say there about it.

Nothing of anybody else's is ever overwritten or removed, and every file appears whole or not at all. What is
read here (records, corrections, masks, lists of kept marks) is read as if anybody had written it.
"""
