"""Evidence that may be looked at at any time: an e-process for "the candidate is no better".

An e-process is a bet against the null hypothesis at fair odds: under the null its expectation is at most
1 whenever one stops, so that it reaches 1/a with a probability of at most a (Ville 1939; Ramdas,
Gruenwald, Vovk and Shafer, "Game-theoretic statistics and safe anytime-valid inference", Statistical
Science 2023).

The process here is a mixture of two families, each fair under its own assumption, of differences u
(candidate minus champion, less the margin, in units of a fixed scale):

- *signs*: the product of 2 / (1 + exp(-2 k u)). It is fair whenever u is as likely as -u, whatever its size
  or tail: so are differences of two runs with the same distribution on one seed. Normalised form of the
  symmetric case of de la Pena, "A general class of exponential inequalities for martingales and ratios",
  Annals of Probability 1999, lemma 6.1. One repeat doubles the evidence at most, so that no outlier decides.
- *Gaussian*: the product of min(exp(g u - g^2/2), 20), fair for sub-Gaussian u of a standard deviation of at
  most 1 (Wald 1945; Robbins 1970 for mixtures). Capping only lowers it, and two outliers do not decide
  either.

A mixture with fixed weights of fair bets is fair, and each of them rises with every u, so the whole
does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, islice

from lab_plugin.decision._chance import chi2_quantile, log_sum
from lab_plugin.decision._noise import Noise
from lab_plugin.decision._signs import sign_logs, sign_trail

SLOPES = (1.0, 2.0, 4.0)
"""Effects, in standard deviations, that the Gaussian bets are best for."""
_SLOPE_SHARES = (0.625, 0.25, 0.125)
_SIGN_SHARES = (0.3, 0.4, 0.2, 0.1)
CAP = math.log(20)
"""Most evidence, in nats, that a Gaussian bet takes from one repeat."""
_GAUSSIAN_SHARE = 0.8
_LEAST_SHARE = 0.2
_MISFIT = 1e-2
LARGEST = 1e6


@dataclass(frozen=True)
class Bets:
    """The bets of one comparison, fixed before its first difference is seen.

    Attributes:
        unit: Scale of the differences, in the metric's units, above 0.
        bound: Upper bound of the noise in `unit`s; infinite for no Gaussian bet.
    """

    unit: float
    bound: float

    @property
    def gaussian_share(self) -> float:
        """Weight of the Gaussian bets: the more, the better the noise is known."""
        if math.isinf(self.bound):
            return 0.0
        return max(_LEAST_SHARE, _GAUSSIAN_SHARE / self.bound**2)

    def scaled(self, differences: Sequence[float]) -> list[float]:
        """Differences in `unit`s; cut at a million, so that nothing overflows."""
        return [self.scale(difference) for difference in differences]

    def scale(self, difference: float) -> float:
        """One difference, as `scaled`."""
        return min(max(difference / self.unit, -LARGEST), LARGEST)

    def fits(self, scaled: Sequence[float]) -> bool:
        """Whether differences spread no more than the Gaussian bets allow for (chi-square, 1 %).

        Without the Gaussian bets there is less evidence, so that this check can only prevent a keep.
        """
        if math.isinf(self.bound) or len(scaled) < 2:
            return True
        middle = math.fsum(scaled) / len(scaled)
        spread = math.fsum((value - middle) ** 2 for value in scaled) / self.bound**2
        return spread <= chi2_quantile(1 - _MISFIT, len(scaled) - 1.0)

    def log_evidence(self, scaled: Sequence[float], *, fits: bool = True, capped: bool = True) -> float:
        """Logarithm of the evidence of differences in `unit`s.

        Args:
            scaled: As `scaled` gives them, in any order.
            fits: Whether the Gaussian bets count.
            capped: Whether one repeat's evidence is capped; fair either way.
        """
        terms = sign_logs(scaled, self._sign_weights())
        if fits and self.gaussian_share:
            terms += self._gaussian_logs(scaled, capped)
        return log_sum(terms)

    def trail(self, scaled: Sequence[float]) -> list[float]:
        """The evidence after each difference, with all bets, capped."""
        signs = sign_trail(scaled, self._sign_weights())
        if not self.gaussian_share:
            return [log_sum(terms) for terms in signs]
        scale, gaussian = 1 / self.bound, []
        for weight, slope in zip(self._gaussian_weights(), SLOPES, strict=True):
            rise, fall = slope * scale, slope * slope / 2
            gains = [min(rise * value - fall, CAP) for value in scaled]
            gaussian.append(islice(accumulate(gains, initial=weight), 1, None))
        return [
            log_sum([*one, *other]) for one, other in zip(signs, zip(*gaussian, strict=True), strict=True)
        ]

    def _sign_weights(self) -> list[float]:
        share = math.log(1 - self.gaussian_share)
        return [share + math.log(part) for part in _SIGN_SHARES]

    def _gaussian_weights(self) -> list[float]:
        share = math.log(self.gaussian_share)
        return [share + math.log(part) for part in _SLOPE_SHARES]

    def _gaussian_logs(self, scaled: Sequence[float], capped: bool) -> list[float]:
        total, logs = math.fsum(scaled), []
        for weight, slope in zip(self._gaussian_weights(), SLOPES, strict=True):
            rise, fall = slope / self.bound, slope * slope / 2
            gains = rise * total - fall * len(scaled)
            if capped:
                gains = math.fsum(min(rise * value - fall, CAP) for value in scaled)
            logs.append(weight + gains)
        return logs


def open_bets(noise: Noise, error: float) -> Bets:
    """The bets for a metric's noise.

    Args:
        noise: Not deterministic.
        error: Probability with which the bound of an estimated noise may be wrong, once per lock.

    Raises:
        ValueError: The noise is deterministic.
    """
    if noise.deterministic:
        raise ValueError("without noise there is nothing to bet on")
    return Bets(noise.difference_sd, noise.bound(error))
