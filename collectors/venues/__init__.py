"""One file a venue. Drop a file in; it is found."""

from importlib import import_module
from pkgutil import iter_modules

from collectors.venue import Venue

VENUES: dict[str, Venue] = {
    module.name: import_module(f"{__name__}.{module.name}").VENUE for module in iter_modules(__path__)
}
