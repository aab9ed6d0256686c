"""Orders and spreads of half-lives."""

from __future__ import annotations

import numpy as np

from fefreq.support.arrays import FloatArray


def spread(lives: FloatArray) -> float:
    """Largest half-life over the smallest, minus 1; infinite if one is."""
    return float(np.max(lives) / np.min(lives) - 1) if np.all(np.isfinite(lives)) else np.inf


def rank_correlation(first: FloatArray, second: FloatArray) -> float:
    """Spearman's rank correlation of half-lives, some of which may be infinite.

    Returns
    -------
    float
        NaN if all of one side are equal, for then there is no order.

    Examples
    --------
    >>> rank_correlation(np.array([1.0, 2.0, 9.0, np.inf]), np.array([3.0, 2.0, 4.0, 5.0]))
    0.8
    """
    from scipy.stats import rankdata, spearmanr

    ranks = [rankdata(lives) for lives in (first, second)]
    if any(np.ptp(rank) == 0 for rank in ranks):
        return np.nan
    return round(float(spearmanr(ranks[0], ranks[1]).statistic), 12)
