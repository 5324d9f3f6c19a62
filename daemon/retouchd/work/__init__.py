"""Working: from queued to done.

Workers are processes of their own, so that one which hangs or dies costs one attempt at one photo; what
they did is published here, by the dispatcher alone.
"""
