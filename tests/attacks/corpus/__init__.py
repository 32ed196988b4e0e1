"""The attacks."""

from tests.attacks._attack import Attack
from tests.attacks.corpus._edited import EDITED
from tests.attacks.corpus._forged import FORGED
from tests.attacks.corpus._found import FOUND
from tests.attacks.corpus._planted import PLANTED
from tests.attacks.corpus._reached import REACHED
from tests.attacks.corpus._shaped import SHAPED
from tests.attacks.corpus._spoiled import SPOILED

__all__ = ["CORPUS"]

CORPUS: tuple[Attack, ...] = (
    *FORGED,
    *FOUND,
    *REACHED,
    *PLANTED,
    *EDITED,
    *SHAPED,
    *SPOILED,
)
