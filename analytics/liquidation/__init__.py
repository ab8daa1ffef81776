"""Where positions would be closed by force: a state that advances bar by bar, and its view."""

from analytics.liquidation.answer import Band, Bin, BookView, Cluster, LiquidationMap, Within
from analytics.liquidation.prior import Omega, Policy, Terms
from analytics.liquidation.state import MapState, from_bytes, start, to_bytes
from analytics.liquidation.step import advance
from analytics.liquidation.view import view

__all__ = [
    "Band",
    "Bin",
    "BookView",
    "Cluster",
    "LiquidationMap",
    "MapState",
    "Omega",
    "Policy",
    "Terms",
    "Within",
    "advance",
    "from_bytes",
    "start",
    "to_bytes",
    "view",
]
