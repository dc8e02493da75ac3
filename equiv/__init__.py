r"""Have two networks learned the same thing, and how do I translate one into the other?"""

from equiv.observations import Observations as Observations
