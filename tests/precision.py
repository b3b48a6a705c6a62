"""How far two computations of the same number may be apart by rounding alone."""

import numpy as np

_LIKELY = 4.0  # standard deviations


def tolerance(values, operations, precision=np.float32):
    """Largest difference that rounding explains between numbers computed in two orders.

    Rounding errors of sums behave like a random walk: after n operations they are within λ √n u of the size of the
    terms, u = ε / 2, but for a share 2 exp(-λ² / 2) of the cases (Higham and Mary 2019). Both computations have them,
    so that they differ by λ √n ε at most, and λ is four. Which processor adds in which order does not matter.

    Parameters
    ----------
    values
        What is compared, or whatever is of the size of the numbers that were added; the largest counts.
    operations
        How many operations lie behind one value, in the order of magnitude.
    precision
        In which was computed; that of the arrays may be higher.
    """
    return _LIKELY * float(np.finfo(precision).eps) * np.sqrt(operations) * float(np.abs(values).max(initial=0.0))
