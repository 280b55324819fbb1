"""The Azure Functions app: registers the functions of this process's role (``STEMWORKS_ROLE``)."""

import logging

import azure.functions as func

from core.settings import settings
from functions import callbacks, cpu, dead_letters, generation, health, housekeeping, inbox, separation
from functions.http import functions as http

BLUEPRINTS = {
    "http": (http, cpu, inbox, callbacks, dead_letters, housekeeping),
    "gpu": (health, generation, separation),
    "all": (http, cpu, generation, separation, inbox, callbacks, dead_letters, housekeeping),
}

# The worker logs at INFO, where the storage SDKs describe every request and every answer.
logging.getLogger("azure").setLevel(logging.WARNING)

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
for module in BLUEPRINTS[settings().stemworks_role]:
    app.register_functions(module.blueprint)
