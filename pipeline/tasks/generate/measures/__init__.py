"""The measures of generated samples. Modules in this folder are discovered; they declare measures with `@measure`."""

import importlib
import pkgutil

for module in sorted(pkgutil.iter_modules(__path__), key=lambda one: one.name):
    importlib.import_module(f"{__name__}.{module.name}")
