"""The tools. Each is a plain function, so MCP, REST and the demo's printing all call the same one:

def get_status(house: House, venue: Annotated[str | None, Field(description="...")] = None) -> Answer:
\"\"\"One line what it answers. When to use it. What it returns, with units. How fresh it is.\"\"\"

The first parameter is the house (the store's reader, the clock); it never shows in the schema. The others
are the tool's arguments: annotated, with defaults; enums as `Literal`. The docstring is what a model reads.
The return type is `Answer`. What went wrong is `raise ToolError("what, valid values, what to ask next")`.

Tools are `def`, not `async def`: each call then runs in a worker thread and a slow query never stops the
collectors. To add one: write it in a module named by its subject, and add it to TOOLS.
"""

from server.tools.chart_value import get_chart_value
from server.tools.charts import list_charts
from server.tools.concentration import get_concentration
from server.tools.divergence import get_oi_divergence
from server.tools.house import House, ToolFunction
from server.tools.interest import get_open_interest
from server.tools.liquidation_map import get_liquidation_map
from server.tools.status import get_status

__all__ = ["TOOLS", "House", "ToolFunction"]

TOOLS: tuple[ToolFunction, ...] = (
    get_open_interest,
    get_chart_value,
    get_oi_divergence,
    get_concentration,
    get_liquidation_map,
    list_charts,
    get_status,
)
