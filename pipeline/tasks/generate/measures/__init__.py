"""The measures of generated samples. A module in this folder is found by itself: it declares measures with `@measure`."""

import importlib
import pkgutil

for module in sorted(pkgutil.iter_modules(__path__), key=lambda one: one.name):
    importlib.import_module(f"{__name__}.{module.name}")
