"""Runs in the Python that has QGIS: a snippet, then a picture of the layer that it added.

standard input: {"snippet": text, "bounds": [left, bottom, right, top], "side_px": n} in JSON,
bounds in EPSG:3857; argument: the PNG to write; standard output: the layer's attribution.
"""

import json
import sys

from qgis.core import (
    QgsApplication,
    QgsCoordinateReferenceSystem,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsProject,
    QgsRectangle,
)
from qgis.PyQt.QtCore import QSize

wanted = json.load(sys.stdin)
application = QgsApplication([], False)
application.initQgis()
exec(compile(wanted["snippet"], "snippet", "exec"), {})
(layer,) = QgsProject.instance().mapLayers().values()
assert layer.isValid(), layer.error().message()

settings = QgsMapSettings()
settings.setLayers([layer])
settings.setDestinationCrs(QgsCoordinateReferenceSystem("EPSG:3857"))
settings.setExtent(QgsRectangle(*wanted["bounds"]))
settings.setOutputSize(QSize(wanted["side_px"], wanted["side_px"]))
job = QgsMapRendererParallelJob(settings)
job.start()
job.waitForFinished()
assert job.renderedImage().save(sys.argv[1])
print(*layer.metadata().rights())
