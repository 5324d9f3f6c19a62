"""What becomes of each spot: heal it and by whom, offer it to a person, or keep it.

Spots, a recipe, the survey and what each healer takes go in, a plan comes out: no pixels, no models. Moles,
freckles, scars, tattoos and lines are kept unless a recipe names them; whatever is not sure is offered, never
healed; whatever lies on a protected part of a face is neither.
"""

from retouch_engine.route.plan import bounds, plan
from retouch_engine.route.share import within_share
from retouch_engine.route.spare import spared

__all__ = ["bounds", "plan", "spared", "within_share"]
